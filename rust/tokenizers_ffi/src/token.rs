//! Special and added tokens as the files beside tokenizer.json write them.

use crate::status::Failure;
use serde_json::{Map, Value};
use tokenizers::AddedToken;

/// A token of the settings: a bare string stays one, since transformers adds it with other flags.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Text(String),
    Added(AddedToken),
}

impl Token {
    pub fn content(&self) -> &str {
        match self {
            Token::Text(text) => text,
            Token::Added(token) => &token.content,
        }
    }

    /// As transformers adds it: a bare string is special.
    pub fn to_added(&self) -> AddedToken {
        match self {
            Token::Text(text) => AddedToken::from(text.clone(), true),
            Token::Added(token) => token.clone(),
        }
    }

    pub fn from_value(value: &Value, key: &str) -> Result<Self, Failure> {
        match value {
            Value::String(text) => Ok(Token::Text(text.clone())),
            Value::Object(object)
                if object
                    .get("__type")
                    .is_some_and(|kind| kind == "AddedToken") =>
            {
                Ok(Token::Added(added_token(
                    object,
                    &format!("tokenizer_config.json: {key}"),
                )?))
            }
            other => Err(Failure::settings(format!(
                "tokenizer_config.json or special_tokens_map.json: {key} is {other}, it must be a token"
            ))),
        }
    }

    pub fn to_value(token: &AddedToken) -> Value {
        let mut value = serde_json::to_value(token).unwrap_or_default();
        value["__type"] = "AddedToken".into();
        value
    }
}

/// `AddedToken(**value)`: what is left out is false, except that a token that is not special is normalized.
pub fn added_token(value: &Map<String, Value>, place: &str) -> Result<AddedToken, Failure> {
    let Some(content) = value.get("content").and_then(Value::as_str) else {
        return Err(Failure::settings(format!(
            "{place}: a token without \"content\""
        )));
    };
    let flag = |name: &str, default: bool| match value.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(Failure::settings(format!(
            "{place}: \"{name}\" of the token \"{content}\" is {other}, it must be true or false"
        ))),
    };
    let special = flag("special", false)?;
    Ok(AddedToken::from(content, special)
        .single_word(flag("single_word", false)?)
        .lstrip(flag("lstrip", false)?)
        .rstrip(flag("rstrip", false)?)
        .normalized(flag("normalized", !special)?))
}
