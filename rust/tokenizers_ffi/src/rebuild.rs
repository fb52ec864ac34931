//! What the tokenizer classes of transformers 5.24 build from a vocabulary and their settings. The values are those of
//! the classes' `__init__`, in models/*/tokenization_*.py.

use crate::classes::Class;
use crate::models::{bpe, unigram, word_piece};
use crate::side_files::Settings;
use crate::status::{Failure, invalid};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizers::{ModelWrapper, Tokenizer};

/// Of Qwen2Tokenizer.
const QWEN2_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Of Qwen3_5Tokenizer.
const QWEN35_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a class is called with.
pub struct Call<'a> {
    pub settings: &'a Settings,
    /// Contents of the named tokens that are set.
    pub tokens: &'a Map<String, Value>,
    /// The "model" of tokenizer.json, as JSON.
    pub model: &'a str,
    /// The first "Precompiled" among the steps of the normalizer of tokenizer.json.
    pub precompiled: Option<Value>,
}

impl Call<'_> {
    fn token(&self, key: &str) -> Result<&str, Failure> {
        self.tokens.get(key).and_then(Value::as_str).ok_or_else(|| {
            Failure::settings(format!(
                "tokenizer_config.json: {key} is null, this tokenizer class needs one"
            ))
        })
    }

    /// Of a setting that the class does not accept as null.
    fn flag(&self, key: &str, default: bool) -> Result<bool, Failure> {
        if self.settings.values.get(key).is_some_and(Value::is_null) {
            return Err(Failure::settings(format!(
                "tokenizer_config.json: {key} is null, it must be true or false"
            )));
        }
        Ok(self.settings.flag(key)?.unwrap_or(default))
    }

    /// Of a setting for which the class takes null as false.
    fn flag_or_null(&self, key: &str, default: bool) -> Result<bool, Failure> {
        let default = default && !self.settings.values.contains_key(key);
        Ok(self.settings.flag(key)?.unwrap_or(default))
    }

    fn byte_level(&self, prefix: bool, pattern: bool) -> Value {
        json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": pattern})
    }

    fn metaspace(&self, scheme: &str, split: bool) -> Value {
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split})
    }

    /// At white space, each word with its "▁".
    fn words(&self, prefix: bool) -> Value {
        let scheme = if prefix { "always" } else { "never" };
        json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, self.metaspace(scheme, true)]})
    }

    fn bert_parts(&self) -> Result<(ModelWrapper, Value, Value), Failure> {
        let normalizer = json!({
            "type": "BertNormalizer", "clean_text": true,
            "handle_chinese_chars": self.flag("tokenize_chinese_chars", true)?,
            "strip_accents": self.settings.flag("strip_accents")?,
            "lowercase": self.flag("do_lower_case", true)?,
        });
        Ok((
            word_piece(self.model, self.token("unk_token")?)?,
            normalizer,
            json!({"type": "BertPreTokenizer"}),
        ))
    }

    fn qwen_parts(&self, pattern: &str) -> Result<(ModelWrapper, Value, Value), Failure> {
        let prefix = self.flag_or_null("add_prefix_space", false)?;
        let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        let steps =
            json!({"type": "Sequence", "pretokenizers": [split, self.byte_level(prefix, false)]});
        Ok((
            bpe(self.model, |builder| builder)?,
            json!({"type": "NFC"}),
            steps,
        ))
    }

    fn albert_normalizer(&self) -> Result<Value, Failure> {
        let mut steps = vec![
            json!({"type": "Replace", "pattern": {"String": "``"}, "content": "\""}),
            json!({"type": "Replace", "pattern": {"String": "''"}, "content": "\""}),
        ];
        if !self.flag_or_null("keep_accents", false)? {
            steps.extend([json!({"type": "NFKD"}), json!({"type": "StripAccents"})]);
        }
        if self.flag_or_null("do_lower_case", true)? {
            steps.push(json!({"type": "Lowercase"}));
        }
        steps.extend(self.precompiled.clone());
        Ok(json!({"type": "Sequence", "normalizers": steps}))
    }

    fn deberta_v2_parts(&self) -> Result<(ModelWrapper, Value, Value), Failure> {
        let unknown = self.token("unk_token")?;
        let stated = self
            .settings
            .values
            .get("unk_id")
            .and_then(Value::as_u64)
            .unwrap_or(1) as usize;
        let model = unigram(self.model, |vocab| {
            vocab
                .iter()
                .position(|(token, score)| token == unknown && *score == 0.0)
                .unwrap_or(stated)
        })?;
        let mut steps = Vec::new();
        if self.flag_or_null("do_lower_case", false)? {
            steps.push(json!({"type": "Lowercase"}));
        }
        steps.extend([
            json!({"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " "}),
            json!({"type": "NFC"}),
            json!({"type": "Strip", "strip_left": false, "strip_right": true}),
        ]);
        let mut splits = Vec::new();
        if self.flag_or_null("split_by_punct", false)? {
            splits.push(json!({"type": "Punctuation", "behavior": "Isolated"}));
        }
        let scheme = if self.flag_or_null("add_prefix_space", true)? {
            "always"
        } else {
            "first"
        };
        splits.push(self.metaspace(scheme, true));
        Ok((
            model,
            json!({"type": "Sequence", "normalizers": steps}),
            json!({"type": "Sequence", "pretokenizers": splits}),
        ))
    }

    fn llama_parts(&self) -> Result<(ModelWrapper, Value, Value), Failure> {
        let prefix = self.settings.flag("add_prefix_space")?.unwrap_or(true);
        let scheme = match (prefix, self.flag_or_null("legacy", false)?) {
            (false, _) => "never",
            (true, true) => "always",
            (true, false) => "first",
        };
        let model = bpe(self.model, |builder| {
            builder.fuse_unk(true).byte_fallback(true)
        })?;
        Ok((model, Value::Null, self.metaspace(scheme, false)))
    }

    fn gemma_parts(&self) -> Result<(ModelWrapper, Value, Value), Failure> {
        let unknown = self.token("unk_token")?;
        let model = bpe(self.model, |builder| {
            builder
                .fuse_unk(true)
                .byte_fallback(true)
                .unk_token(unknown.to_owned())
        })?;
        let normalizer = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
        let split = json!({
            "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false,
        });
        Ok((model, normalizer, split))
    }

    /// Model, normalizer and pre-tokenizer.
    fn parts(&self, class: Class) -> Result<(ModelWrapper, Value, Value), Failure> {
        let precompiled = || self.precompiled.clone().unwrap_or_default();
        let byte_level_bpe = |normalizer: Value| {
            let prefix = self.flag("add_prefix_space", false)?;
            Ok((
                bpe(self.model, |builder| builder)?,
                normalizer,
                self.byte_level(prefix, true),
            ))
        };
        let sentence_piece = |unknown: usize| {
            let words = self.words(self.flag_or_null("add_prefix_space", true)?);
            Ok((unigram(self.model, |_| unknown)?, precompiled(), words))
        };
        match class {
            Class::Bert | Class::MPNet => self.bert_parts(),
            Class::Roberta | Class::Deberta | Class::Gpt2 => byte_level_bpe(Value::Null),
            Class::GptNeoX => byte_level_bpe(json!({"type": "NFC"})),
            Class::Qwen2 => self.qwen_parts(QWEN2_PATTERN),
            Class::Qwen35 => self.qwen_parts(QWEN35_PATTERN),
            Class::Llama => self.llama_parts(),
            Class::Gemma => self.gemma_parts(),
            Class::XlmRoberta => sentence_piece(3),
            Class::T5 => Ok((unigram(self.model, |_| 2)?, precompiled(), self.words(true))),
            Class::Camembert => {
                let (unknown, prefix) = (
                    self.token("unk_token")?,
                    self.flag_or_null("add_prefix_space", true)?,
                );
                let place = |vocab: &[(String, f64)]| {
                    vocab
                        .iter()
                        .position(|(token, _)| token == unknown)
                        .unwrap_or(0)
                };
                Ok((
                    unigram(self.model, place)?,
                    precompiled(),
                    self.words(prefix),
                ))
            }
            Class::Albert => {
                let (_, _, words) = sentence_piece(1)?;
                Ok((
                    unigram(self.model, |_| 1)?,
                    self.albert_normalizer()?,
                    words,
                ))
            }
            Class::DebertaV2 => self.deberta_v2_parts(),
        }
    }

    /// The tokenizer without added tokens and without a post-processor.
    pub fn build(&self, class: Class) -> Result<Tokenizer, Failure> {
        let (model, normalizer, pre_tokenizer) = self.parts(class)?;
        let mut tokenizer = Tokenizer::new(model);
        tokenizer
            .with_normalizer(component::<tokenizers::NormalizerWrapper>(normalizer)?)
            .map_err(invalid)?;
        tokenizer.with_pre_tokenizer(component::<tokenizers::PreTokenizerWrapper>(pre_tokenizer)?);
        Ok(tokenizer)
    }

    /// The post-processor that a class puts over that of the file; `None`: the file's stays.
    pub fn post_processor(
        &self,
        class: Class,
        tokenizer: &Tokenizer,
    ) -> Result<Option<Value>, Failure> {
        let id = |key: &str| {
            let token = self.token(key)?;
            let unknown = || {
                self.tokens
                    .get("unk_token")
                    .and_then(Value::as_str)
                    .and_then(|t| tokenizer.token_to_id(t))
            };
            let id = tokenizer.token_to_id(token).or_else(unknown);
            id.map(|id| (token, id))
                .ok_or_else(|| invalid(format!("no id for the {key} \"{token}\"")))
        };
        let roberta = |trim: bool, prefix: bool| {
            let (sep, cls) = (id("sep_token")?, id("cls_token")?);
            Ok(json!({
                "type": "RobertaProcessing", "sep": sep, "cls": cls, "trim_offsets": trim, "add_prefix_space": prefix,
            }))
        };
        Ok(Some(match class {
            Class::Bert | Class::DebertaV2 => around(
                Some(id("cls_token")?),
                Some(id("sep_token")?),
                Second::OfTypeOne,
            ),
            Class::Deberta => around(
                Some(id("cls_token")?),
                Some(id("sep_token")?),
                Second::AfterTwoEnds,
            ),
            Class::XlmRoberta | Class::Camembert => around(
                Some(id("bos_token")?),
                Some(id("eos_token")?),
                Second::AfterTwoEnds,
            ),
            Class::MPNet => roberta(true, false)?,
            Class::Roberta => roberta(
                self.flag("trim_offsets", true)?,
                self.flag("add_prefix_space", false)?,
            )?,
            Class::T5 => around(None, Some(("</s>", id("eos_token")?.1)), Second::Alike),
            Class::GptNeoX => around(None, None, Second::OfTypeOne),
            Class::Albert
            | Class::Gpt2
            | Class::Qwen2
            | Class::Qwen35
            | Class::Llama
            | Class::Gemma => return Ok(None),
        }))
    }

    /// ALBERT's, where the file has none.
    pub fn fallback_post_processor(
        &self,
        class: Class,
        tokenizer: &Tokenizer,
    ) -> Result<Option<Value>, Failure> {
        if class != Class::Albert {
            return Ok(None);
        }
        let id = |key: &str| {
            let token = self.token(key)?;
            tokenizer
                .token_to_id(token)
                .ok_or_else(|| invalid(format!("no id for the {key} \"{token}\"")))
        };
        Ok(Some(around(
            Some(("[CLS]", id("cls_token")?)),
            Some(("[SEP]", id("sep_token")?)),
            Second::OfTypeOne,
        )))
    }
}

/// A component of a tokenizer from its JSON; null is none.
pub fn component<T: for<'de> Deserialize<'de>>(value: Value) -> Result<Option<T>, Failure> {
    if value.is_null() {
        return Ok(None);
    }
    serde_json::from_value(value).map(Some).map_err(invalid)
}

/// How the second text of a pair follows the first, which stands as it does alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Second {
    /// With its end, both of token type 1.
    OfTypeOne,
    /// With its end, after another end.
    AfterTwoEnds,
    /// With its end.
    Alike,
}

/// The templates of a text between two special tokens, and of a pair.
fn around(before: Option<(&str, u32)>, after: Option<(&str, u32)>, second: Second) -> Value {
    let special: Map<String, Value> = [before, after]
        .into_iter()
        .flatten()
        .map(|(content, id)| {
            let token = json!({"id": content, "ids": [id], "tokens": [content]});
            (content.to_owned(), token)
        })
        .collect();
    let token = |token: Option<(&str, u32)>, of_type: u32| {
        token.map(|(content, _)| json!({"SpecialToken": {"id": content, "type_id": of_type}}))
    };
    let text = |name: &str, of_type: u32| json!({"Sequence": {"id": name, "type_id": of_type}});
    let single: Vec<Value> = (token(before, 0).into_iter())
        .chain([text("A", 0)])
        .chain(token(after, 0))
        .collect();
    let of_type = u32::from(second == Second::OfTypeOne);
    let more = (second == Second::AfterTwoEnds).then(|| token(after, 0));
    let pair: Vec<Value> = (single.iter().cloned())
        .chain(more.flatten())
        .chain([text("B", of_type)])
        .chain(token(after, of_type))
        .collect();
    json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special})
}
