//! Which Chinese characters the tokens of a vocabulary join.
//!
//! Unigram and BPE tokens are entries of the vocabulary, so no token reaches across two characters that no entry has
//! side by side; what lies left and right of such a place is tokenized independently. Both characters must be entries
//! themselves: unknown ones that follow each other become one token. (A Unigram model adds up scores from the beginning
//! of a word, so segmentations whose scores are equal to the last bit may be told apart by rounding far into a word of
//! megabytes; the tokens of the first piece are those of the whole even then.)

use crate::boundary::is_han;
use std::collections::HashSet;
use tokenizers::{ModelWrapper, NormalizedString, Normalizer, Tokenizer};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HanVocabulary {
    known: HashSet<char>,
    joined: HashSet<(char, char)>,
}

impl HanVocabulary {
    /// None: the model is of another kind, or the normalizer changes Chinese characters.
    pub fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let mut found = Self::default();
        match tokenizer.get_model() {
            ModelWrapper::Unigram(unigram) => {
                unigram.iter().for_each(|(token, _)| found.add(token));
            }
            ModelWrapper::BPE(bpe) => {
                let is_empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
                // Otherwise a whole word can be a token that merges do not lead to.
                let plain = !bpe.ignore_merges
                    && is_empty(&bpe.continuing_subword_prefix)
                    && is_empty(&bpe.end_of_word_suffix);
                if !plain {
                    return None;
                }
                bpe.get_vocab().keys().for_each(|token| found.add(token));
            }
            _ => return None,
        }
        (!found.known.is_empty() && found.is_left_alone_by(tokenizer)).then_some(found)
    }

    fn add(&mut self, token: &str) {
        let mut before = None;
        for c in token.chars() {
            if let Some(pair) = before.filter(|b| is_han(*b) && is_han(c)) {
                self.joined.insert((pair, c));
            }
            before = Some(c);
        }
        if let Some(c) = before.filter(|c| is_han(*c) && c.len_utf8() == token.len()) {
            self.known.insert(c);
        }
    }

    fn is_left_alone_by(&self, tokenizer: &Tokenizer) -> bool {
        let Some(normalizer) = tokenizer.get_normalizer() else {
            return true;
        };
        let all: String = self.known.iter().collect();
        let mut normalized = NormalizedString::from(all.as_str());
        normalizer.normalize(&mut normalized).is_ok()
            && normalized.get().trim_start_matches('▁') == all
    }

    /// Whether no token holds both.
    pub fn parts(&self, before: char, c: char) -> bool {
        self.known.contains(&before)
            && self.known.contains(&c)
            && !self.joined.contains(&(before, c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_tokens_join() {
        let mut words = HanVocabulary::default();
        for token in ["山", "水", "▁山", "山水", "水中山", "a中", "中"] {
            words.add(token);
        }
        assert!(!words.parts('山', '水'));
        assert!(!words.parts('水', '中'));
        assert!(words.parts('水', '山'));
        assert!(words.parts('山', '山'));
        assert!(!words.parts('山', '火'));
        assert!(!words.parts('a', '中'));
    }
}
