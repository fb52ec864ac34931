//! Warnings of where the files disagree about a tokenizer, a sentence each.

use crate::classes::Class;
use crate::load::added_ids;
use crate::loading::Loading;
use crate::rebuild::component;
use crate::status::{Failure, invalid};
use crate::token::Token;
use serde_json::Value;
use tokenizers::{
    AddedToken, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer,
};

impl Loading<'_> {
    pub(crate) fn warn_of_differences(
        &mut self,
        class: Class,
        tokenizer: &Tokenizer,
    ) -> Result<(), Failure> {
        let built = [
            serde_json::to_value(tokenizer.get_normalizer()).map_err(invalid)?,
            serde_json::to_value(tokenizer.get_pre_tokenizer()).map_err(invalid)?,
        ];
        let stored = [
            serde_json::to_value(component::<NormalizerWrapper>(
                self.parts.normalizer.clone(),
            )?)
            .map_err(invalid)?,
            serde_json::to_value(component::<PreTokenizerWrapper>(
                self.parts.pre_tokenizer.clone(),
            )?)
            .map_err(invalid)?,
        ];
        let mut different = Vec::new();
        for ((name, built), stored) in ["normalizer", "pre_tokenizer"]
            .into_iter()
            .zip(built)
            .zip(stored)
        {
            if plain(built) != plain(stored) {
                different.push(name);
            }
        }
        let own = component::<PostProcessorWrapper>(self.parts.post_processor.clone())?;
        if added_ids(tokenizer.get_post_processor())? != added_ids(own.as_ref())? {
            different.push("post_processor");
        }
        if !different.is_empty() {
            self.settings.warnings.push(format!(
                "tokenizer.json: its {} is not what {class:?}Tokenizer makes of tokenizer_config.json; as in transformers \
                 5, the latter is used (tokenizer_class \"TokenizersBackend\" uses tokenizer.json)",
                different.join(" and ")
            ));
        }
        Ok(())
    }

    /// What tokenizer_config.json asks for at the ends of a text, against what is put there.
    pub(crate) fn warn_of_ends(
        &mut self,
        named: &[(String, Token)],
        tokenizer: &Tokenizer,
    ) -> Result<(), Failure> {
        let added = added_ids(tokenizer.get_post_processor())?;
        for (key, asked) in self.settings.asked_ends.clone() {
            let token = named
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, token)| token.content());
            let present = token
                .and_then(|token| tokenizer.token_to_id(token))
                .is_some_and(|id| added.contains(&id));
            if present != asked {
                self.settings.warnings.push(format!(
                    "tokenizer_config.json: \"add_{key}\": {asked} has no effect, as in transformers 5: the \
                     post_processor of tokenizer.json decides, and {} {key}",
                    if present { "it adds the" } else { "it adds no" }
                ));
            }
        }
        Ok(())
    }

    /// Added tokens whose ids are not those that the files state.
    pub(crate) fn warn_of_moved_tokens(&mut self, tokenizer: &Tokenizer) {
        let moved = |(id, token): &(&i64, &AddedToken)| {
            tokenizer
                .token_to_id(&token.content)
                .is_some_and(|got| i64::from(got) != **id)
        };
        let mut all = self.settings.added.iter().filter(moved);
        if let Some((id, token)) = all.next() {
            let got = tokenizer.token_to_id(&token.content).unwrap_or_default();
            let more = all.count();
            self.settings.warnings.push(format!(
                "tokenizer_config.json: the added token \"{}\" is said to be {id}, as in transformers 5 it is {got} \
                 ({more} more like it)",
                token.content
            ));
        }
    }
}

/// Without what does not change ids: a sequence around a single step, and the trimming of offsets.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(mut object) => {
            object.remove("trim_offsets");
            let steps = object
                .get("normalizers")
                .or(object.get("pretokenizers"))
                .and_then(Value::as_array);
            if let Some([step]) = steps.map(Vec::as_slice) {
                return plain(step.clone());
            }
            Value::Object(
                object
                    .into_iter()
                    .map(|(key, value)| (key, plain(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}
