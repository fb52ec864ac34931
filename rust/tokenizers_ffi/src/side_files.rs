//! What tokenizer_config.json, special_tokens_map.json and added_tokens.json say, merged in the order in which
//! `PreTrainedTokenizerBase._from_pretrained` of transformers 5.24 merges them.

use crate::status::{Failure, invalid};
use crate::token::{Token, added_token};
use crate::vocabulary_files::VocabularyFiles;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use tokenizers::AddedToken;

/// The tokens with a name of their own, in the order in which transformers adds missing ones to the vocabulary.
pub const NAMED_TOKENS: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Bytes of the files that stand beside tokenizer.json; None where there is no such file.
#[derive(Clone, Copy, Default)]
pub struct SideFiles<'a> {
    pub config: Option<&'a [u8]>,
    pub tokenizer_config: Option<&'a [u8]>,
    pub special_tokens_map: Option<&'a [u8]>,
    pub added_tokens: Option<&'a [u8]>,
    /// Read where there is no tokenizer.json.
    pub vocabulary: VocabularyFiles<'a>,
}

/// The arguments that a tokenizer class of transformers would be called with.
pub struct Settings {
    /// Keys of tokenizer_config.json with what special_tokens_map.json put over them. Tokens are strings, or objects
    /// with `"__type": "AddedToken"`.
    pub values: Map<String, Value>,
    /// By id: added_tokens_decoder, or added_tokens.json under the added tokens of tokenizer.json.
    pub added: BTreeMap<i64, AddedToken>,
    /// Tokens with a name outside `NAMED_TOKENS`, in order.
    pub model_specific: Map<String, Value>,
    /// add_bos_token and add_eos_token of tokenizer_config.json, which have no effect beside a tokenizer.json.
    pub asked_ends: Vec<(&'static str, bool)>,
    pub warnings: Vec<String>,
}

pub fn object_from(bytes: Option<&[u8]>, name: &str) -> Result<Map<String, Value>, Failure> {
    let Some(bytes) = bytes else {
        return Ok(Map::new());
    };
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::settings(format!("{name}: not a JSON object"))),
        Err(error) => Err(Failure::settings(format!(
            "{name}: not valid JSON: {error}"
        ))),
    }
}

/// What Python takes for false, among JSON values.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
    }
}

impl Settings {
    /// `added_tokens` are those of tokenizer.json; None: there is no such file.
    pub fn read(files: &SideFiles, added_tokens: Option<&[Value]>) -> Result<Self, Failure> {
        let mut settings = Settings {
            values: object_from(files.tokenizer_config, "tokenizer_config.json")?,
            added: BTreeMap::new(),
            model_specific: Map::new(),
            asked_ends: Vec::new(),
            warnings: Vec::new(),
        };
        settings.drop_what_the_file_decides(added_tokens.is_some())?;
        settings.rename_additional();
        settings.collect_model_specific()?;
        let by_content = match settings.values.remove("added_tokens_decoder") {
            Some(decoder) => settings.take_decoder(&decoder)?,
            None => settings.take_legacy_files(files, added_tokens.unwrap_or_default())?,
        };
        settings.name_added_tokens(&by_content);
        Ok(settings)
    }

    /// With a tokenizer.json, transformers 5 leaves the ends of a text to its post_processor. Without one, the classes that
    /// have no post-processor of their own heed these two.
    fn drop_what_the_file_decides(&mut self, has_file: bool) -> Result<(), Failure> {
        self.values.remove("tokenizer_class");
        for (key, token) in [
            ("add_bos_token", "bos_token"),
            ("add_eos_token", "eos_token"),
        ] {
            if !has_file {
                continue;
            }
            if let Some(Value::Bool(asked)) = self.values.remove(key) {
                self.asked_ends.push((token, asked));
            }
        }
        if self
            .values
            .remove("init_inputs")
            .is_some_and(|inputs| !is_falsy(&inputs))
        {
            return Err(Failure::unsupported(
                "tokenizer_config.json: \"init_inputs\" is not supported; save the tokenizer again with \
                 save_pretrained()",
            ));
        }
        Ok(())
    }

    fn rename_additional(&mut self) {
        let extra_is_empty = self.values.get("extra_special_tokens").is_none_or(is_falsy);
        if extra_is_empty
            && let Some(tokens) = self.values.shift_remove("additional_special_tokens")
        {
            self.values.insert("extra_special_tokens".into(), tokens);
        }
    }

    /// Bare strings under `*_token` keys without a standard name, and a dictionary of extra tokens.
    fn collect_model_specific(&mut self) -> Result<(), Failure> {
        let is_specific = |key: &str, value: &Value| {
            key.ends_with("_token") && !NAMED_TOKENS.contains(&key) && value.is_string()
        };
        let keys: Vec<String> = self
            .values
            .iter()
            .filter(|(key, value)| is_specific(key, value))
            .map(|(key, _)| key.clone())
            .collect();
        let mut found = Map::new();
        for key in keys {
            if let Some(value) = self.values.shift_remove(&key) {
                found.insert(key, value);
            }
        }
        if self
            .values
            .get("extra_special_tokens")
            .is_some_and(Value::is_object)
            && let Some(Value::Object(tokens)) = self.values.shift_remove("extra_special_tokens")
        {
            found.extend(tokens);
        }
        match self.values.shift_remove("model_specific_special_tokens") {
            Some(Value::Object(tokens)) if found.is_empty() => found = tokens,
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(other) => {
                return Err(Failure::settings(format!(
                    "tokenizer_config.json: model_specific_special_tokens is {other}, it must be an object"
                )));
            }
        }
        self.model_specific = found;
        Ok(())
    }

    fn take_decoder(&mut self, decoder: &Value) -> Result<HashMap<String, AddedToken>, Failure> {
        let place = "tokenizer_config.json: added_tokens_decoder";
        let Value::Object(decoder) = decoder else {
            return Err(Failure::settings(format!("{place} is not an object")));
        };
        let mut by_content = HashMap::new();
        for (id, token) in decoder {
            let (Ok(id), Value::Object(token)) = (id.parse::<i64>(), token) else {
                return Err(Failure::settings(format!(
                    "{place}: \"{id}\" is not an id with a token"
                )));
            };
            let token = added_token(token, place)?;
            by_content.insert(token.content.clone(), token.clone());
            self.added.insert(id, token);
        }
        Ok(by_content)
    }

    /// The files of tokenizers saved before added_tokens_decoder came.
    fn take_legacy_files(
        &mut self,
        files: &SideFiles,
        added_tokens: &[Value],
    ) -> Result<HashMap<String, AddedToken>, Failure> {
        self.take_special_tokens_map(files)?;
        let mut by_content = HashMap::new();
        let added = object_from(files.added_tokens, "added_tokens.json")?;
        let special = self.special_contents();
        for (content, id) in added {
            let Some(id) = id.as_i64() else {
                return Err(Failure::settings(format!(
                    "added_tokens.json: the id of \"{content}\" is {id}"
                )));
            };
            let token = AddedToken::from(content.clone(), special.contains(&content));
            by_content.insert(content, token.clone());
            self.added.insert(id, token);
        }
        for token in added_tokens {
            let (Some(id), Some(object)) =
                (token.get("id").and_then(Value::as_i64), token.as_object())
            else {
                return Err(invalid(format!(
                    "{token} among the added_tokens is not a token with an id"
                )));
            };
            let token = added_token(object, "tokenizer.json: added_tokens")?;
            by_content.insert(token.content.clone(), token.clone());
            self.added.insert(id, token);
        }
        Ok(by_content)
    }

    fn take_special_tokens_map(&mut self, files: &SideFiles) -> Result<(), Failure> {
        let name = "special_tokens_map.json";
        for (key, value) in object_from(files.special_tokens_map, name)? {
            let value = match value {
                Value::Object(mut token) if key != "extra_special_tokens" => {
                    token.insert("special".into(), true.into());
                    Token::to_value(&added_token(&token, name)?)
                }
                Value::Array(tokens) if key == "extra_special_tokens" => {
                    self.merge_extra(tokens, name)?
                }
                other => other,
            };
            self.values.insert(key, value);
        }
        if self
            .values
            .get("extra_special_tokens")
            .is_some_and(Value::is_object)
            && let Some(Value::Object(tokens)) = self.values.shift_remove("extra_special_tokens")
        {
            self.model_specific.extend(tokens);
        }
        Ok(())
    }

    fn merge_extra(&self, tokens: Vec<Value>, name: &str) -> Result<Value, Failure> {
        let mut merged = match self.values.get("extra_special_tokens") {
            Some(Value::Array(tokens)) => tokens.clone(),
            _ => Vec::new(),
        };
        for token in tokens {
            let token = match token {
                Value::Object(mut token) => {
                    token.insert("special".into(), true.into());
                    Token::to_value(&added_token(&token, name)?)
                }
                other => other,
            };
            if !merged.contains(&token) {
                merged.push(token);
            }
        }
        Ok(Value::Array(merged))
    }

    /// Contents of the named and the extra tokens.
    fn special_contents(&self) -> Vec<String> {
        let content = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            other => other
                .get("content")
                .and_then(Value::as_str)
                .map(str::to_owned),
        };
        let named = NAMED_TOKENS
            .iter()
            .filter_map(|key| self.values.get(*key))
            .filter_map(content);
        let extra = self
            .values
            .get("extra_special_tokens")
            .and_then(Value::as_array);
        named
            .chain(extra.into_iter().flatten().filter_map(content))
            .collect()
    }

    /// A named token that is also an added one has that one's flags.
    fn name_added_tokens(&mut self, by_content: &HashMap<String, AddedToken>) {
        for key in NAMED_TOKENS {
            let Some(value) = self.values.get_mut(key) else {
                continue;
            };
            let content = match &*value {
                Value::String(text) => Some(text.clone()),
                Value::Object(object) if object.contains_key("__type") => object
                    .get("content")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                _ => None,
            };
            if let Some(token) = content.and_then(|content| by_content.get(&content)) {
                *value = Token::to_value(token);
            }
        }
    }

    /// How many `<extra_id_…>` tokens T5 has.
    pub fn extra_ids(&self) -> Result<u64, Failure> {
        match self.values.get("extra_ids") {
            None => Ok(100),
            Some(value) => value
                .as_u64()
                .filter(|count| *count <= 1 << 20)
                .ok_or_else(|| {
                    Failure::settings(format!(
                        "tokenizer_config.json: extra_ids is {value}, it must be a whole number of at most 1048576"
                    ))
                }),
        }
    }

    /// True or false under `key`; None where it is absent or null.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Failure> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(Failure::settings(format!(
                "tokenizer_config.json: \"{key}\" is {other}, it must be true or false"
            ))),
        }
    }

    /// Whether "model_input_names" has the token types; None where there is no such list.
    pub fn gives_type_ids(&self) -> Result<Option<bool>, Failure> {
        match self.values.get("model_input_names") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(names)) => {
                Ok(Some(names.iter().any(|name| name == "token_type_ids")))
            }
            Some(other) => Err(Failure::settings(format!(
                "tokenizer_config.json: \"model_input_names\" is {other}, it must be a list of names"
            ))),
        }
    }

    /// "left" or "right" under `key`.
    pub fn side(&self, key: &str) -> Result<Option<bool>, Failure> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::String(side)) if side == "left" || side == "right" => {
                Ok(Some(side == "left"))
            }
            Some(other) => Err(Failure::settings(format!(
                "tokenizer_config.json: \"{key}\" is {other}, it must be \"left\" or \"right\""
            ))),
        }
    }

    pub fn tokens(&self, key: &str) -> Result<Option<Vec<Token>>, Failure> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(Vec::new())),
            Some(Value::Array(tokens)) => tokens
                .iter()
                .map(|token| Token::from_value(token, key))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(Failure::settings(format!(
                "tokenizer_config.json or special_tokens_map.json: {key} is {other}, it must be a list of tokens"
            ))),
        }
    }
}
