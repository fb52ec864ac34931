//! The models of tokenizers (BPE, WordPiece, Unigram) from the vocabulary in tokenizer.json.

use crate::status::{Failure, invalid};
use ahash::AHashMap;
use serde::Deserialize;
use tokenizers::ModelWrapper;
use tokenizers::models::bpe::{BPE, BpeBuilder};
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Joined(String),
    Pair(String, String),
}

/// The vocabulary of a model as ids; of a Unigram model's list transformers makes a dictionary, where a class wants one.
struct Vocab(AHashMap<String, u32>);

impl<'de> Deserialize<'de> for Vocab {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherForm;
        impl<'de> serde::de::Visitor<'de> for EitherForm {
            type Value = Vocab;
            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a vocabulary")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Vocab, A::Error> {
                let mut ids = AHashMap::new();
                while let Some((token, id)) = map.next_entry()? {
                    ids.insert(token, id);
                }
                Ok(Vocab(ids))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Vocab, A::Error> {
                let mut ids = AHashMap::new();
                let mut id = 0;
                while let Some((token, _)) = list.next_element::<(String, f64)>()? {
                    ids.insert(token, id);
                    id += 1;
                }
                Ok(Vocab(ids))
            }
        }
        deserializer.deserialize_any(EitherForm)
    }
}

fn unknown_missing(unknown: &str) -> Failure {
    Failure::settings(format!(
        "tokenizer_config.json: the unk_token \"{unknown}\" is not in the vocabulary of tokenizer.json"
    ))
}

#[derive(Deserialize)]
struct BpeFile {
    vocab: Vocab,
    #[serde(default)]
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
struct WordPieceFile {
    vocab: Vocab,
}

#[derive(Deserialize)]
struct UnigramFile {
    vocab: Vec<(String, f64)>,
}

fn of_other_kind(what: &str, error: serde_json::Error) -> Failure {
    invalid(format!(
        "the tokenizer class named by tokenizer_config.json or config.json needs the vocabulary of a {what} model, and the \
         model in tokenizer.json does not have one: {error}"
    ))
}

pub fn bpe(
    model: &str,
    configure: impl Fn(BpeBuilder) -> BpeBuilder,
) -> Result<ModelWrapper, Failure> {
    let file: BpeFile = serde_json::from_str(model).map_err(|error| of_other_kind("BPE", error))?;
    let mut merges = Vec::with_capacity(file.merges.len());
    for merge in file.merges {
        merges.push(match merge {
            Merge::Pair(left, right) => (left, right),
            Merge::Joined(both) => match both.split(' ').collect::<Vec<_>>()[..] {
                [left, right] => (left.to_owned(), right.to_owned()),
                _ => return Err(invalid(format!("the merge \"{both}\" is not a pair"))),
            },
        });
    }
    let Vocab(vocab) = file.vocab;
    let built = configure(BPE::builder().vocab_and_merges(vocab, merges))
        .build()
        .map_err(invalid)?;
    Ok(built.into())
}

pub fn word_piece(model: &str, unknown: &str) -> Result<ModelWrapper, Failure> {
    let file: WordPieceFile =
        serde_json::from_str(model).map_err(|error| of_other_kind("WordPiece", error))?;
    let Vocab(vocab) = file.vocab;
    if !vocab.contains_key(unknown) {
        return Err(unknown_missing(unknown));
    }
    Ok(WordPiece::builder()
        .vocab(vocab)
        .unk_token(unknown.into())
        .build()
        .map_err(invalid)?
        .into())
}

pub fn unigram(
    model: &str,
    unknown: impl Fn(&[(String, f64)]) -> usize,
) -> Result<ModelWrapper, Failure> {
    let file: UnigramFile =
        serde_json::from_str(model).map_err(|error| of_other_kind("Unigram", error))?;
    let unknown = unknown(&file.vocab);
    Ok(Unigram::from(file.vocab, Some(unknown), false)
        .map_err(invalid)?
        .into())
}
