//! A tokenizer from tokenizer.json and the files beside it, as transformers 5.24 makes it.

use crate::classes::{Class, default_tokens};
use crate::rebuild::{Call, component};
use crate::side_files::{NAMED_TOKENS, Settings};
use crate::status::{Failure, invalid};
use crate::token::Token;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokenizers::{AddedToken, PostProcessorWrapper, Tokenizer};

/// The parts of tokenizer.json; the model stays text, since its vocabulary can be large.
#[derive(Deserialize)]
pub(crate) struct FileParts<'a> {
    #[serde(default)]
    pub(crate) truncation: Value,
    #[serde(default)]
    pub(crate) padding: Value,
    #[serde(default)]
    pub(crate) added_tokens: Vec<Value>,
    #[serde(default)]
    pub(crate) normalizer: Value,
    #[serde(default)]
    pub(crate) pre_tokenizer: Value,
    #[serde(default)]
    pub(crate) post_processor: Value,
    #[serde(borrow)]
    pub(crate) model: &'a RawValue,
}

/// A tokenizer on its way from the files to what transformers makes of them.
pub(crate) struct Loading<'a> {
    pub(crate) parts: FileParts<'a>,
    pub(crate) settings: Settings,
    pub(crate) class: Option<Class>,
    /// tokenizer.json was made here, of a vocabulary, and says nothing else.
    pub(crate) from_vocabulary: bool,
}

impl Loading<'_> {
    pub(crate) fn tokenizer(&mut self, json: &[u8]) -> Result<Tokenizer, Failure> {
        self.refuse_what_is_not_done()?;
        let named = self.named_tokens()?;
        let extra = self.extra_tokens()?;
        let mut tokenizer = match self.class {
            Some(class) => self.rebuilt(class, &named)?,
            None => serde_json::from_slice(json).map_err(invalid)?,
        };
        let missing = self.missing_tokens(&tokenizer, &named, &extra);
        tokenizer.add_tokens(missing).map_err(invalid)?;
        if self.class == Some(Class::Qwen2) {
            let special = named.iter().map(|(_, token)| token).chain(&extra);
            let special = special.map(|token| AddedToken::from(token.content(), true));
            tokenizer
                .add_tokens(special.collect::<Vec<_>>())
                .map_err(invalid)?;
        }
        if let Some(class) = self.class {
            self.close(class, &named, &mut tokenizer)?;
            if !self.from_vocabulary {
                self.warn_of_differences(class, &tokenizer)?;
            }
        }
        self.warn_of_ends(&named, &tokenizer)?;
        self.warn_of_moved_tokens(&tokenizer);
        Ok(tokenizer)
    }

    fn refuse_what_is_not_done(&self) -> Result<(), Failure> {
        let value = |key: &str| self.settings.values.get(key);
        if let Some(files) = value("fast_tokenizer_files")
            && *files != serde_json::json!(["tokenizer.json"])
        {
            return Err(Failure::unsupported(
                "tokenizer_config.json: fast_tokenizer_files names tokenizers by version, which is not supported; \
                 save the tokenizer again with save_pretrained()",
            ));
        }
        for (key, harmful) in [
            ("fix_mistral_regex", true),
            ("add_bos_token", true),
            ("add_eos_token", true),
        ] {
            if value(key) == Some(&Value::Bool(harmful)) {
                return Err(Failure::unsupported(format!(
                    "tokenizer_config.json or special_tokens_map.json: \"{key}\": true is not supported; save the \
                     tokenizer again with save_pretrained()"
                )));
            }
        }
        Ok(())
    }

    /// The named tokens in transformers' order: those of the class under those of the settings.
    fn named_tokens(&self) -> Result<Vec<(String, Token)>, Failure> {
        let defaults = self.class.map_or(&[][..], default_tokens);
        let mut named = Vec::new();
        for key in NAMED_TOKENS {
            let default = defaults
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, token)| *token);
            let token = match self.settings.values.get(key) {
                Some(Value::Null) => continue,
                Some(value) => Token::from_value(value, key)?,
                None => match default.or(self.padding_token(key)) {
                    Some(token) => Token::Text(token.into()),
                    None => continue,
                },
            };
            named.push((key.to_owned(), self.flags_of_class(key, token)));
        }
        // Objects under other `*_token` keys come first, bare strings (moved aside before) last.
        let specific = |key: &str, value: &Value| {
            key.ends_with("_token")
                && !NAMED_TOKENS.contains(&key)
                && (value.is_object() || value.is_string())
        };
        let auto = self
            .settings
            .values
            .iter()
            .filter(|(key, value)| specific(key, value));
        for (key, value) in auto.chain(&self.settings.model_specific) {
            let token = Token::from_value(value, key)?;
            match named.iter_mut().find(|(name, _)| name == key) {
                Some((_, earlier)) => *earlier = token,
                None => named.push((key.clone(), token)),
            }
        }
        Ok(named)
    }

    fn padding_token(&self, key: &str) -> Option<&str> {
        if key == "pad_token" {
            self.parts.padding.get("pad_token").and_then(Value::as_str)
        } else {
            None
        }
    }

    /// Some classes give a bare string flags of their own.
    fn flags_of_class(&self, key: &str, token: Token) -> Token {
        match (self.class, token) {
            (Some(Class::MPNet), Token::Text(text)) => {
                Token::Added(AddedToken::from(text, true).lstrip(key == "mask_token"))
            }
            (Some(Class::Camembert), Token::Text(text)) if key == "mask_token" => {
                Token::Added(AddedToken::from(text, true).lstrip(true))
            }
            (_, token) => token,
        }
    }

    fn extra_tokens(&self) -> Result<Vec<Token>, Failure> {
        if let Some(tokens) = self.settings.tokens("extra_special_tokens")? {
            return Ok(tokens);
        }
        let given = self.settings.tokens("additional_special_tokens")?;
        match self.class {
            Some(Class::T5) => self.sentinels(given),
            Some(Class::Camembert) => Ok(given.unwrap_or_else(|| {
                ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]
                    .map(|token| Token::Text(token.into()))
                    .into()
            })),
            _ => Ok(given.unwrap_or_default()),
        }
    }

    /// T5's `<extra_id_0>` and so on, unless the given tokens have them.
    fn sentinels(&self, given: Option<Vec<Token>>) -> Result<Vec<Token>, Failure> {
        let count = self.settings.extra_ids()?;
        let mut tokens = given.unwrap_or_default();
        let present = tokens
            .iter()
            .filter(|token| token.content().contains("<extra_id_"))
            .count() as u64;
        if present == 0 {
            tokens.extend((0..count).map(|i| Token::Text(format!("<extra_id_{i}>"))));
        } else if count > 0 && present != count {
            return Err(Failure::settings(format!(
                "special_tokens_map.json has {present} tokens <extra_id_…>, extra_ids of tokenizer_config.json is {count}; \
                 they must be as many"
            )));
        }
        Ok(tokens)
    }

    fn call<'b>(&'b self, contents: &'b Map<String, Value>) -> Call<'b> {
        Call {
            settings: &self.settings,
            tokens: contents,
            model: self.parts.model.get(),
            precompiled: precompiled(&self.parts.normalizer),
        }
    }

    fn rebuilt(&self, class: Class, named: &[(String, Token)]) -> Result<Tokenizer, Failure> {
        let contents = contents(named);
        let call = self.call(&contents);
        let mut tokenizer = call.build(class)?;
        let fallback = call.fallback_post_processor(class, &tokenizer)?;
        let own = component::<PostProcessorWrapper>(self.parts.post_processor.clone())?;
        let fallback = fallback.map_or(Ok(None), component::<PostProcessorWrapper>)?;
        tokenizer.with_post_processor(own.or(fallback));
        Ok(tokenizer)
    }

    /// Tokens that transformers adds after loading: those whose flags or contents the tokenizer does not have.
    fn missing_tokens(
        &self,
        tokenizer: &Tokenizer,
        named: &[(String, Token)],
        extra: &[Token],
    ) -> Vec<AddedToken> {
        let present = tokenizer.get_added_tokens_decoder();
        let mut missing: Vec<AddedToken> = self
            .settings
            .added
            .values()
            .filter(|token| !present.values().any(|other| other == *token))
            .cloned()
            .collect();
        let known: std::collections::HashSet<&str> = present
            .values()
            .chain(self.settings.added.values())
            .map(|token| token.content.as_str())
            .collect();
        let named_tokens = named.iter().map(|(_, token)| token);
        for token in named_tokens
            .chain(extra)
            .filter(|token| !known.contains(token.content()))
        {
            missing.push(token.to_added());
        }
        for token in &mut missing {
            token.special = token.special
                || named
                    .iter()
                    .any(|(_, named)| named.content() == token.content);
        }
        missing
    }

    /// The class's own post-processor, which needs the added tokens.
    fn close(
        &self,
        class: Class,
        named: &[(String, Token)],
        tokenizer: &mut Tokenizer,
    ) -> Result<(), Failure> {
        let contents = contents(named);
        if let Some(template) = self.call(&contents).post_processor(class, tokenizer)? {
            tokenizer.with_post_processor(component::<PostProcessorWrapper>(template)?);
        }
        Ok(())
    }

    pub(crate) fn cuts_at_start(&self) -> Result<bool, Failure> {
        let stored = self
            .parts
            .truncation
            .get("direction")
            .and_then(Value::as_str);
        Ok(self
            .settings
            .side("truncation_side")?
            .unwrap_or(stored == Some("Left")))
    }
}

fn contents(named: &[(String, Token)]) -> Map<String, Value> {
    named
        .iter()
        .map(|(key, token)| (key.clone(), token.content().into()))
        .collect()
}

/// The first "Precompiled" of a normalizer, one level deep: where transformers looks for it.
fn precompiled(normalizer: &Value) -> Option<Value> {
    let is_precompiled = |step: &&Value| step.get("type").is_some_and(|kind| kind == "Precompiled");
    match normalizer.get("normalizers").and_then(Value::as_array) {
        Some(steps) => steps.iter().find(is_precompiled).cloned(),
        None => Some(normalizer).filter(is_precompiled).cloned(),
    }
}
