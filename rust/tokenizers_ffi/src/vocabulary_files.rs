//! Tokenizers from before tokenizer.json: what the classes of transformers 5.24 read from vocab.txt, vocab.json with
//! merges.txt and SentencePiece's models (`convert_to_native_format`), as a tokenizer.json with nothing but a vocabulary.

use crate::classes::Class;
use crate::sentence_piece::{self, Model};
use crate::side_files::Settings;
use crate::status::Failure;
use crate::token::Token;
use serde_json::{Map, Value, json};
use std::io::BufRead;
use tokenizers::AddedToken;

/// Bytes of the files that there are.
#[derive(Clone, Copy, Default)]
pub struct VocabularyFiles<'a> {
    pub vocab_txt: Option<&'a [u8]>,
    pub vocab_json: Option<&'a [u8]>,
    pub merges: Option<&'a [u8]>,
    pub sentencepiece_bpe: Option<&'a [u8]>,
    pub spiece: Option<&'a [u8]>,
}

const WAY_OUT: &str = "make tokenizer.json once with Python: transformers.AutoTokenizer.from_pretrained(…).save_pretrained(…)";

fn needed<'a>(bytes: Option<&'a [u8]>, name: &str, class: Class) -> Result<&'a [u8], Failure> {
    bytes.ok_or_else(|| {
        Failure::settings(format!(
            "{name}: not there, and {class:?}Tokenizer has no other vocabulary without tokenizer.json; fetch the model again"
        ))
    })
}

fn lines(bytes: &[u8], name: &str) -> Result<Vec<String>, Failure> {
    bytes
        .lines()
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::settings(format!("{name}: not UTF-8")))
}

/// A token a line; of two equal ones the last counts.
fn word_piece(bytes: &[u8]) -> Result<Value, Failure> {
    let mut vocab = Map::new();
    for (id, line) in lines(bytes, "vocab.txt")?.iter().enumerate() {
        vocab.insert(line.trim_end().to_owned(), id.into());
    }
    Ok(json!({"type": "WordPiece", "vocab": vocab}))
}

fn bpe(vocab: &[u8], merges: &[u8]) -> Result<Value, Failure> {
    let vocab: Value = serde_json::from_slice(vocab)
        .map_err(|error| Failure::settings(format!("vocab.json: not valid JSON: {error}")))?;
    if !vocab.is_object() {
        return Err(Failure::settings("vocab.json: not a JSON object"));
    }
    let lines = lines(merges, "merges.txt")?;
    let mut pairs = Vec::with_capacity(lines.len());
    for line in lines.iter().filter(|line| !line.starts_with("#version")) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            [left, right] => pairs.push(json!([left, right])),
            _ => {
                let shown: String = line.chars().take(60).collect();
                return Err(Failure::settings(format!(
                    "merges.txt: \"{shown}\" is not a pair of tokens"
                )));
            }
        }
    }
    Ok(json!({"type": "BPE", "vocab": vocab, "merges": pairs}))
}

/// The content of a named token in the settings, else the class's own.
fn content(settings: &Settings, key: &str, default: &str) -> Result<String, Failure> {
    match settings.values.get(key) {
        None => Ok(default.to_owned()),
        Some(value) => Ok(Token::from_value(value, key)?.content().to_owned()),
    }
}

/// The pieces in the order of ids that a class gives them.
fn unigram(class: Class, model: &Model, settings: &Settings) -> Result<Value, Failure> {
    let own = |from: usize| {
        let pieces = model.pieces.iter().skip(from);
        pieces.map(|piece| json!([piece.text, f64::from(piece.score)]))
    };
    let token = |key, default| Ok::<_, Failure>(json!([content(settings, key, default)?, 0.0]));
    let mut vocab = Vec::with_capacity(model.pieces.len());
    match class {
        Class::XlmRoberta => {
            for (key, default) in [
                ("bos_token", "<s>"),
                ("pad_token", "<pad>"),
                ("eos_token", "</s>"),
                ("unk_token", "<unk>"),
            ] {
                vocab.push(token(key, default)?);
            }
            vocab.extend(own(3));
            vocab.push(token("mask_token", "<mask>")?);
        }
        Class::Camembert => {
            vocab.push(json!(["<s>NOTUSED", 0.0]));
            vocab.push(token("pad_token", "<pad>")?);
            vocab.push(json!(["</s>NOTUSED", 0.0]));
            vocab.push(token("unk_token", "<unk>")?);
            vocab.push(json!(["<unk>NOTUSED", -100.0]));
            vocab.extend(own(1));
            vocab.push(token("mask_token", "<mask>")?);
        }
        Class::T5 => {
            vocab.extend(own(0));
            let count = settings.extra_ids()?;
            vocab.extend(
                (0..count)
                    .rev()
                    .map(|i| json!([format!("<extra_id_{i}>"), 0.0])),
            );
        }
        _ => vocab.extend(own(0)),
    }
    Ok(json!({"type": "Unigram", "unk_id": 0, "vocab": vocab}))
}

/// Control and user-defined pieces are special and added tokens, in place of those that tokenizer_config.json lists.
fn add_pieces(model: &Model, settings: &mut Settings) {
    let added = model
        .pieces
        .iter()
        .filter(|piece| piece.is_added())
        .map(|piece| {
            let token = AddedToken::from(piece.text.clone(), piece.is_control()).normalized(false);
            Token::to_value(&token)
        });
    let added: Vec<Value> = added.collect();
    settings
        .values
        .insert("additional_special_tokens".into(), added.into());
}

/// The text of a tokenizer.json that holds the vocabulary; completes the settings.
pub fn tokenizer_json(
    class: Class,
    files: &VocabularyFiles,
    settings: &mut Settings,
) -> Result<String, Failure> {
    let mut normalizer = Value::Null;
    let model = match class {
        Class::Bert | Class::MPNet => word_piece(needed(files.vocab_txt, "vocab.txt", class)?)?,
        Class::Roberta | Class::Deberta | Class::Gpt2 | Class::Qwen2 | Class::Qwen35 => bpe(
            needed(files.vocab_json, "vocab.json", class)?,
            needed(files.merges, "merges.txt", class)?,
        )?,
        Class::XlmRoberta | Class::Camembert | Class::T5 | Class::Albert => {
            let (bytes, name) = if matches!(class, Class::T5 | Class::Albert) {
                (files.spiece, "spiece.model")
            } else {
                (files.sentencepiece_bpe, "sentencepiece.bpe.model")
            };
            let model = sentence_piece::read(needed(bytes, name, class)?, name)?;
            if !model.charsmap.is_empty() {
                let charsmap = base64::encode(&model.charsmap);
                normalizer = json!({"type": "Precompiled", "precompiled_charsmap": charsmap});
            }
            add_pieces(&model, settings);
            unigram(class, &model, settings)?
        }
        Class::GptNeoX | Class::Llama | Class::Gemma | Class::DebertaV2 => {
            return Err(Failure::unsupported(format!(
                "tokenizer.json: not there, and {class:?}Tokenizer is not built from other files; {WAY_OUT}"
            )));
        }
    };
    Ok(json!({"added_tokens": [], "normalizer": normalizer, "model": model}).to_string())
}

/// Where transformers takes tokenizer.json as it stands, nothing says how another vocabulary splits texts.
pub fn no_class() -> Failure {
    Failure::unsupported(format!(
        "tokenizer.json: not there, and no tokenizer class of config.json or tokenizer_config.json says how texts are \
         split; {WAY_OUT}"
    ))
}
