//! What the steps of a tokenizer do to the places where a text may be cut (`boundary.rs`).

use crate::boundary::{META, has_pair, is_letter};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{ModelWrapper, SplitDelimiterBehavior};

/// Patterns of byte-level BPE tokenizers: GPT-2, Llama 3, Qwen 2 and Qwen 3.5. None of them matches a letter or digit
/// together with a space or with `is_punctuation` behind it, and none looks back.
const PATTERNS: [&str; 4] = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
];

/// Patterns of Replace steps that match white space alone, and never a single space.
const SPACE_PATTERNS: [&str; 2] = [r"\s{2,}|[\n\r\t]", " {2,}"];

/// What a chain of normalizers does to the places.
pub(crate) struct Normalization {
    pub(crate) safe: bool,
    /// A space becomes "▁".
    pub(crate) marks_spaces: bool,
    /// "▁" is put before each piece of text.
    pub(crate) prepends: bool,
    /// BertNormalizer alone, with spaces around Chinese characters.
    pub(crate) spaces_han: bool,
    /// Only steps that leave the characters of `is_punctuation` in place.
    pub(crate) keeps_punctuation: bool,
}

pub(crate) fn look_at_normalizer(step: &NormalizerWrapper, found: &mut Normalization) {
    match step {
        NormalizerWrapper::Sequence(steps) => steps
            .as_ref()
            .iter()
            .for_each(|step| look_at_normalizer(step, found)),
        NormalizerWrapper::BertNormalizer(bert) => found.spaces_han = bert.handle_chinese_chars,
        NormalizerWrapper::Lowercase(_) | NormalizerWrapper::NFC(_) => {}
        NormalizerWrapper::NFD(_)
        | NormalizerWrapper::NFKC(_)
        | NormalizerWrapper::NFKD(_)
        | NormalizerWrapper::Nmt(_)
        | NormalizerWrapper::StripAccents(_)
        | NormalizerWrapper::Precompiled(_) => found.keeps_punctuation = false,
        NormalizerWrapper::StripNormalizer(strip) => {
            found.safe &= !strip.strip_left;
            found.keeps_punctuation = false;
        }
        NormalizerWrapper::Prepend(prepend) => {
            found.safe &= prepend.prepend == META.to_string() && !found.prepends;
            found.prepends = true;
        }
        NormalizerWrapper::Replace(_) => look_at_replacement(step, found),
        NormalizerWrapper::ByteLevel(_) => found.safe = false,
    }
}

/// The pattern of a Replace step is private; its JSON is not.
fn look_at_replacement(step: &NormalizerWrapper, found: &mut Normalization) {
    let json = serde_json::to_value(step).unwrap_or_default();
    let content = json["content"].as_str().unwrap_or_default();
    found.keeps_punctuation = false;
    match (
        json["pattern"]["String"].as_str(),
        json["pattern"]["Regex"].as_str(),
    ) {
        (Some(" "), _) => {
            found.safe &= content == META.to_string();
            found.marks_spaces = true;
        }
        (Some(text), _) => {
            found.safe &=
                !text.contains(|c: char| c.is_alphanumeric() || c.is_whitespace() || c == META)
        }
        (_, Some(pattern)) => found.safe &= SPACE_PATTERNS.contains(&pattern),
        _ => found.safe = false,
    }
}

/// What a chain of pre-tokenizers does to the places.
#[derive(Default)]
pub(crate) struct Splitting {
    pub(crate) unsafe_: bool,
    /// Before a space (or the "▁" that it became) between letters.
    pub(crate) space: bool,
    /// As BertPreTokenizer does.
    pub(crate) bert: bool,
    /// A space becomes "▁".
    pub(crate) marks_spaces: bool,
    pub(crate) punctuation: bool,
    /// A space is put before what does not begin with one.
    pub(crate) prefixes: bool,
}

pub(crate) fn look_at_pre_tokenizer(
    step: &PreTokenizerWrapper,
    marked: bool,
    found: &mut Splitting,
) {
    match step {
        PreTokenizerWrapper::Sequence(steps) => {
            steps
                .as_ref()
                .iter()
                .for_each(|step| look_at_pre_tokenizer(step, marked, found));
        }
        PreTokenizerWrapper::BertPreTokenizer(_) => {
            (found.space, found.bert, found.punctuation) = (found.space || !marked, true, true);
        }
        PreTokenizerWrapper::Whitespace(_) | PreTokenizerWrapper::WhitespaceSplit(_) => {
            found.space |= !marked
        }
        PreTokenizerWrapper::Metaspace(metaspace) => {
            found.unsafe_ |= metaspace.get_replacement() != META;
            found.marks_spaces = true;
            found.space |= metaspace.get_split();
            found.prefixes = true;
        }
        PreTokenizerWrapper::ByteLevel(bytes) => {
            found.prefixes |= bytes.add_prefix_space;
            if bytes.use_regex && !marked {
                (found.space, found.punctuation) = (true, true);
            }
        }
        PreTokenizerWrapper::Digits(_) => {}
        PreTokenizerWrapper::Punctuation(punctuation) => {
            found.unsafe_ |= punctuation.behavior != SplitDelimiterBehavior::Isolated;
        }
        PreTokenizerWrapper::Split(_) => look_at_split(step, marked, found),
        _ => found.unsafe_ = true,
    }
}

fn look_at_split(step: &PreTokenizerWrapper, marked: bool, found: &mut Splitting) {
    let json = serde_json::to_value(step).unwrap_or_default();
    let known = json["pattern"]["Regex"]
        .as_str()
        .is_some_and(|pattern| PATTERNS.contains(&pattern));
    if known && json["behavior"] == "Isolated" && json["invert"] == false && !marked {
        (found.space, found.punctuation) = (true, true);
    } else {
        // Gemma splits at spaces, of which its normalizer leaves none.
        found.unsafe_ |= json["pattern"]["String"] != " " || !marked;
    }
}

/// A model that gets the whole text as one word splits before "▁" after a letter if no token holds both.
pub(crate) fn model_splits_at_meta(model: &ModelWrapper) -> bool {
    let ModelWrapper::BPE(bpe) = model else {
        return false;
    };
    let is_empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    let plain = !bpe.ignore_merges
        && is_empty(&bpe.continuing_subword_prefix)
        && is_empty(&bpe.end_of_word_suffix);
    let vocab = bpe.get_vocab();
    plain
        && vocab.contains_key(&META.to_string())
        && !vocab
            .keys()
            .any(|token| has_pair(token, is_letter, |c| c == META))
}
