//! Where a text may be cut so that the tokens of its pieces, one after the other, are the tokens of the whole.
//!
//! Four kinds of places, each between two characters of which no step of the tokenizer looks at both:
//! * before a single space between two letters or digits: pre-tokenizers split there, and so does a BPE model without a
//!   pre-tokenizer whose vocabulary has no token with "▁" after a letter;
//! * beside a Chinese character, where BertNormalizer puts spaces around it;
//! * before punctuation after a letter or digit;
//! * between two letters (or a letter and a digit) that no entry of a Unigram or BPE vocabulary reaches across
//!   (`vocabulary.rs`); slower to find, so only where a long stretch has none of the others.
//!
//! What is not known to be safe is not cut: every normalizer, pre-tokenizer and pattern is on a list here, and added
//! tokens are looked through for one that could reach across.

use crate::steps::{
    Normalization, Splitting, look_at_normalizer, look_at_pre_tokenizer, model_splits_at_meta,
};
use crate::vocabulary::{self, Vocabulary};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::{AddedToken, NormalizedString, Normalizer, Tokenizer};

/// The places that are safe for one tokenizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundaries {
    /// Before a space between two letters.
    pub space: bool,
    /// The space belongs to neither piece: the normalizer puts one before each.
    pub drop_space: bool,
    /// Between two letters of which at least one is a Chinese character.
    pub han: bool,
    /// Before punctuation that follows a letter.
    pub punctuation: bool,
    /// Between two letters that no token joins.
    pub vocabulary: bool,
}

/// A place to cut: where the first piece ends and where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub end: usize,
    pub next: usize,
    /// Bytes before `next` that the next piece begins with, and whose tokens are then left out: what a pre-tokenizer
    /// puts before a piece stands before them.
    pub overlap: usize,
}

pub(crate) const META: char = '▁';

pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}')
}

/// Letters and digits that combine with nothing before them and are still letters or digits after any Unicode
/// normalization.
pub(crate) fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || is_han(c)
        || matches!(c,
            'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ı' | 'Ĵ'..='ľ' | 'Ł'..='ň' | 'Ŋ'..='ž'
            | 'Α'..='Ρ' | 'Σ'..='Ω' | 'α'..='ω' | 'Ѐ'..='џ'
            | 'א'..='ת' | '\u{0620}'..='\u{063A}' | '\u{0641}'..='\u{064A}' | '\u{0904}'..='\u{0939}'
            | '\u{0E01}'..='\u{0E30}' | '\u{AC00}'..='\u{D7A3}' | '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}')
}

/// Without the apostrophe, which patterns take together with what follows or precedes.
fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '。' | '、'
    )
}

pub(crate) fn has_pair(
    text: &str,
    first: impl Fn(char) -> bool,
    second: impl Fn(char) -> bool,
) -> bool {
    text.chars()
        .zip(text.chars().skip(1))
        .any(|(a, b)| first(a) && second(b))
}

impl Boundaries {
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let mut normal = Normalization {
            safe: true,
            marks_spaces: false,
            prepends: false,
            spaces_han: false,
            keeps_punctuation: true,
        };
        if let Some(step) = tokenizer.get_normalizer() {
            look_at_normalizer(step, &mut normal);
        }
        let mut split = Splitting::default();
        if let Some(step) = tokenizer.get_pre_tokenizer() {
            look_at_pre_tokenizer(step, normal.marks_spaces, &mut split);
        }
        let marked = normal.marks_spaces || split.marks_spaces;
        // "▁" is put before every piece, so it has to stand for the space that is left out.
        let prepends_well =
            !normal.prepends || (normal.marks_spaces && tokenizer.get_pre_tokenizer().is_none());
        if !normal.safe || split.unsafe_ || !prepends_well {
            return Self::default();
        }
        let splits = split.space || (marked && model_splits_at_meta(tokenizer.get_model()));
        let mut places = Self {
            space: splits,
            drop_space: normal.prepends,
            han: normal.spaces_han && split.bert && normal.keeps_punctuation,
            punctuation: split.punctuation
                && !split.prefixes
                && normal.keeps_punctuation
                && !marked,
            vocabulary: vocabulary::serves(tokenizer.get_model()),
        };
        for token in tokenizer.get_added_tokens_decoder().values() {
            places.allow_for(token, tokenizer.get_normalizer());
        }
        places
    }

    /// Takes away the places that an added token could reach across.
    fn allow_for(&mut self, token: &AddedToken, normalizer: Option<&NormalizerWrapper>) {
        let mut forms = vec![token.content.clone()];
        if let (true, Some(normalizer)) = (token.normalized, normalizer) {
            let mut normalized = NormalizedString::from(token.content.as_str());
            match normalizer.normalize(&mut normalized) {
                Ok(()) => forms.push(normalized.get().to_owned()),
                Err(_) => *self = Self::default(),
            }
        }
        let is_space = |c: char| c.is_whitespace() || c == META;
        for form in &forms {
            let ends_in_letter = form.ends_with(is_letter);
            let begins =
                |what: fn(char) -> bool| form.chars().find(|c| *c != META).is_some_and(what);
            let crosses = has_pair(form, is_letter, is_space)
                || (token.rstrip && ends_in_letter)
                || (token.single_word && form.starts_with(is_space))
                || (self.drop_space && begins(is_letter));
            self.space &= !crosses;
            self.han &= !form.contains(is_han) && !token.single_word;
            self.punctuation &= !has_pair(form, is_letter, is_punctuation) && !token.single_word;
            self.vocabulary &= !token.single_word;
        }
    }

    /// The first safe place at or behind byte `from` and before `to`, without looking into the vocabulary.
    pub fn find(&self, text: &str, from: usize, to: usize) -> Option<Cut> {
        if !(self.space || self.han || self.punctuation) {
            return None;
        }
        between_characters(text, from, to).find_map(|(before, at, c)| {
            if !is_letter(before) {
                return None;
            }
            let next_is_letter = || text[at + c.len_utf8()..].starts_with(is_letter);
            if self.space && c == ' ' && next_is_letter() {
                return Some(Cut {
                    end: at,
                    next: at + usize::from(self.drop_space),
                    overlap: 0,
                });
            }
            let beside_han = self.han && is_letter(c) && (is_han(before) || is_han(c));
            (beside_han || (self.punctuation && is_punctuation(c))).then_some(Cut {
                end: at,
                next: at,
                overlap: 0,
            })
        })
    }

    /// The first place at or behind byte `from` and before `to` that no token of the vocabulary reaches across. Never
    /// between two digits: patterns take those in threes.
    pub fn find_in_vocabulary(
        &self,
        tokenizer: &Tokenizer,
        vocabulary: &Vocabulary,
        text: &str,
        (from, to): (usize, usize),
    ) -> Option<Cut> {
        let is_place = |before: char, at: usize, c: char| {
            is_letter(before)
                && is_letter(c)
                && !(before.is_numeric() && c.is_numeric())
                && vocabulary.parts(tokenizer, text, at)
        };
        between_characters(text, from, to)
            .find(|&(before, at, c)| is_place(before, at, c))
            .map(|(before, at, _)| Cut {
                end: at,
                next: at,
                overlap: before.len_utf8(),
            })
    }
}

/// Each place of `text` from byte `from` on and before `to`, with the characters before and behind it.
fn between_characters(
    text: &str,
    from: usize,
    to: usize,
) -> impl Iterator<Item = (char, usize, char)> {
    let to = to.min(text.len());
    let start = (from.max(1)..to).find(|&at| text.is_char_boundary(at));
    let start = start.unwrap_or(text.len());
    let mut before = text[..start].chars().next_back();
    text[start..]
        .char_indices()
        .map(move |(offset, c)| (start + offset, c))
        .take_while(move |&(at, _)| at < to)
        .filter_map(move |(at, c)| before.replace(c).map(|before| (before, at, c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Boundaries = Boundaries {
        space: true,
        drop_space: false,
        han: true,
        punctuation: true,
        vocabulary: false,
    };

    fn ends(places: Boundaries, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let mut from = 1;
        while let Some(cut) = places.find(text, from, text.len()) {
            found.push(cut.end);
            from = cut.end + 1;
        }
        found
    }

    #[test]
    fn finds_the_places() {
        assert_eq!(ends(ALL, "ab cd  ef g"), [2, 9]);
        assert_eq!(ends(ALL, "a漢字b"), [1, 4, 7]);
        assert_eq!(ends(ALL, "a.b! c,"), [1, 3, 6]);
        assert_eq!(
            ends(ALL, "it's \u{301}x\u{301} a\u{301} b"),
            Vec::<usize>::new()
        );
        let spaces = Boundaries {
            han: false,
            punctuation: false,
            drop_space: true,
            ..ALL
        };
        assert_eq!(
            spaces.find("漢字 ab.c de", 1, 99),
            Some(Cut {
                end: 6,
                next: 7,
                overlap: 0
            })
        );
        assert_eq!(Boundaries::default().find("a b c", 1, 5), None);
    }

    #[test]
    fn begins_at_a_character() {
        let between = Some(Cut {
            end: 3,
            next: 3,
            overlap: 0,
        });
        assert_eq!(ALL.find("漢字", 1, 6), between);
        assert_eq!(ALL.find("漢字", 3, 6), between);
        assert_eq!(ALL.find("漢", 0, 3), None);
        assert_eq!(ALL.find("", 0, 0), None);
    }
}
