//! Places inside a word that no token of the vocabulary reaches across.
//!
//! Unigram and BPE tokens are entries of the vocabulary. So where no entry is found in the text with one of its
//! characters left and one right of a place, a token ends there whatever stands further away, and what lies left and
//! right is tokenized independently. One of the characters on both sides must be an entry itself: unknown ones that
//! follow each other become one token, unless each becomes its bytes. (A Unigram model adds up scores from the beginning of a word, so segmentations whose
//! scores are equal to the last bit may be ordered by rounding far into a word of megabytes; the tokens of the first
//! piece are those of the whole even then.)

use tokenizers::normalizers::ByteLevel;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{ModelWrapper, NormalizedString, Normalizer, Tokenizer};

const META: char = '▁';
/// What a space is in the alphabet of byte-level BPE.
const BYTE_SPACE: char = 'Ġ';
/// Characters beyond the longest entry that are normalized with it: the first of them may lack what it combines with.
const MARGIN: usize = 8;
/// Contractions that patterns of pre-tokenizers know ("'ll") have at most two letters.
const CONTRACTION: usize = 3;

/// The entries of a tokenizer's vocabulary and its added tokens, sorted.
#[derive(Debug, Default)]
pub struct Vocabulary {
    entries: Vec<String>,
    added: Vec<String>,
    /// Characters of the longest added token, or entry that has two letters side by side.
    longest: usize,
    byte_level: bool,
    /// A character that is no entry becomes the tokens of its bytes.
    byte_fallback: bool,
}

/// Whether words of this model are joined of entries of its vocabulary and nothing else.
pub fn serves(model: &ModelWrapper) -> bool {
    let is_empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    match model {
        ModelWrapper::Unigram(_) => true,
        // With ignore_merges a whole word can be a token that merges do not lead to.
        ModelWrapper::BPE(bpe) => {
            !bpe.ignore_merges
                && is_empty(&bpe.continuing_subword_prefix)
                && is_empty(&bpe.end_of_word_suffix)
        }
        _ => false,
    }
}

fn is_byte_level(step: &PreTokenizerWrapper) -> bool {
    match step {
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().any(is_byte_level),
        PreTokenizerWrapper::ByteLevel(_) => true,
        _ => false,
    }
}

fn normalized(step: Option<&impl Normalizer>, text: &str) -> Option<String> {
    let Some(step) = step else {
        return Some(text.to_owned());
    };
    let mut string = NormalizedString::from(text);
    step.normalize(&mut string).ok()?;
    Some(string.get().trim_start_matches(META).to_owned())
}

/// Whether an entry stands in `whole` that begins at or before byte `first` and ends at or behind byte `last`.
fn covers(sorted: &[String], whole: &str, first: usize, last: usize) -> bool {
    whole
        .char_indices()
        .take_while(|&(start, _)| start <= first)
        .any(|(start, _)| {
            let text = &whole[start..];
            let mut range = sorted;
            // Longer and longer beginnings of `text`, and the entries that begin with them.
            for (offset, c) in text.char_indices() {
                let beginning = &text[..offset + c.len_utf8()];
                let from = range.partition_point(|entry| entry.as_str() < beginning);
                let len = range[from..].partition_point(|entry| entry.starts_with(beginning));
                range = &range[from..from + len];
                let Some(found) = range.first() else {
                    return false;
                };
                if start + beginning.len() >= last && found == beginning {
                    return true;
                }
            }
            false
        })
}

/// Whether an entry has characters on both sides.
fn joins(sorted: &[String], left: &str, right: &str) -> bool {
    let whole = format!("{left}{right}");
    let Some((last_of_left, _)) = left.char_indices().next_back() else {
        return false;
    };
    covers(sorted, &whole, last_of_left, left.len() + 1)
}

/// Whether an entry reaches the place between the two, from either side or across: what stands behind an added token is
/// a word's beginning.
fn touches(sorted: &[String], left: &str, right: &str) -> bool {
    covers(sorted, &format!("{left}{right}"), left.len(), left.len())
}

impl Vocabulary {
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let mut found = Self {
            byte_level: tokenizer.get_pre_tokenizer().is_some_and(is_byte_level),
            ..Self::default()
        };
        found.entries = match tokenizer.get_model() {
            ModelWrapper::Unigram(unigram) => {
                unigram.iter().map(|(token, _)| token.clone()).collect()
            }
            ModelWrapper::BPE(bpe) => bpe.get_vocab().into_keys().collect(),
            _ => Vec::new(),
        };
        for token in tokenizer.get_added_tokens_decoder().values() {
            found.added.push(token.content.clone());
            found
                .added
                .extend(normalized(tokenizer.get_normalizer(), &token.content));
        }
        found.entries.sort_unstable();
        found.byte_fallback = match tokenizer.get_model() {
            ModelWrapper::Unigram(unigram) => unigram.byte_fallback(),
            ModelWrapper::BPE(bpe) => bpe.byte_fallback,
            _ => false,
        } && (0..=255_u8).all(|byte| found.has(&format!("<0x{byte:02X}>")));
        found.added.sort_unstable();
        let has_letters = |token: &String| {
            let pairs = token.chars().zip(token.chars().skip(1));
            pairs.into_iter().any(|(a, b)| {
                let in_word = |c: char| c.is_alphanumeric() || (found.byte_level && !c.is_ascii());
                in_word(a) && in_word(b)
            })
        };
        let longest = |tokens: &[String]| {
            let letters = tokens.iter().filter(|token| has_letters(token));
            letters
                .map(|token| token.chars().count())
                .max()
                .unwrap_or(1)
        };
        found.longest = longest(&found.entries).max(longest(&found.added));
        found
    }

    /// Whether a token ends before byte `at` of `text`, which stands between two letters (or a letter and a digit).
    pub fn parts(&self, tokenizer: &Tokenizer, text: &str, at: usize) -> bool {
        let near = self.longest + MARGIN;
        let left_start = text[..at].char_indices().rev().take(near).last();
        let left = &text[left_start.map_or(at, |(start, _)| start)..at];
        let right_end = text[at..].char_indices().nth(near);
        let right = &text[at..right_end.map_or(text.len(), |(end, _)| at + end)];
        let mut before = left.chars().rev().take(CONTRACTION);
        if before.any(|c| matches!(c, '\'' | '’')) || touches(&self.added, left, right) {
            return false;
        }
        self.parts_normalized(tokenizer, left, right)
            .unwrap_or(false)
    }

    fn parts_normalized(&self, tokenizer: &Tokenizer, left: &str, right: &str) -> Option<bool> {
        let step = tokenizer.get_normalizer();
        let mut left_text = normalized(step, left)?;
        let mut right_text = normalized(step, right)?;
        let whole = normalized(step, &format!("{left}{right}"))?;
        if whole.len() != left_text.len() + right_text.len()
            || !whole.starts_with(&left_text)
            || !whole.ends_with(&right_text)
        {
            return Some(false);
        }
        if touches(&self.added, &left_text, &right_text) {
            return Some(false);
        }
        if self.byte_level {
            left_text = normalized(Some(&ByteLevel::new()), &left_text)?;
            right_text = normalized(Some(&ByteLevel::new()), &right_text)?;
        }
        let before = left_text.chars().next_back()?.to_string();
        let after = right_text.chars().next()?.to_string();
        // The next piece repeats the character before the place, and a pre-tokenizer may put a space before that.
        let last = left.chars().next_back()?.to_string();
        let mut repeated = normalized(step, &last)?;
        if self.byte_level {
            repeated = normalized(Some(&ByteLevel::new()), &repeated)?;
        }
        let space = if self.byte_level { BYTE_SPACE } else { META };
        Some(
            (self.byte_fallback || self.has(&before) || self.has(&after))
                && left_text.ends_with(&repeated)
                && !joins(&self.entries, &left_text, &right_text)
                && !joins(&self.entries, &format!("{space}{repeated}"), &right_text),
        )
    }

    fn has(&self, token: &str) -> bool {
        let found = self
            .entries
            .binary_search_by(|entry| entry.as_str().cmp(token));
        found.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_joins_what_it_reaches_across() {
        let mut entries: Vec<String> = ["a", "abc", "bcd", "山水", "水中山"]
            .map(str::to_owned)
            .into();
        entries.sort_unstable();
        assert!(joins(&entries, "xab", "cx"));
        assert!(joins(&entries, "xb", "cdx"));
        assert!(!joins(&entries, "xa", "bdx"));
        assert!(!joins(&entries, "xabc", "ex"));
        assert!(joins(&entries, "山", "水"));
        assert!(joins(&entries, "水", "中山"));
        assert!(joins(&entries, "水中", "山"));
        assert!(!joins(&entries, "水", "中水"));
        assert!(!joins(&entries, "", "山水"));
        assert!(!joins(&[], "a", "b"));
    }

    #[test]
    fn an_added_token_reaches_the_place_beside_it() {
        let added = vec!["the".to_owned()];
        assert!(touches(&added, "the", "x"));
        assert!(touches(&added, "x", "the"));
        assert!(touches(&added, "xt", "hex"));
        assert!(!touches(&added, "thex", "xthe"));
    }
}
