//! From tokenizer.json, and the files beside it, to a handle.

use crate::boundary::Boundaries;
use crate::classes::{self, Class, Names};
use crate::encode::check_columns;
use crate::rebuild::{Call, component, default_tokens};
use crate::side_files::{NAMED_TOKENS, Settings, SideFiles, Token, object_from};
use crate::status::{Failure, TrebleTokStatus};
use crate::vocabulary::Vocabulary;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::OnceLock;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::{
    AddedToken, Encoding, PostProcessor, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer,
};

/// How a tokenizer is loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TrebleTokLoadOptions {
    /// False is Hugging Face's behaviour: "[SEP]" in a text becomes the special token. True: it is split like any other
    /// text. `split_special_tokens` of tokenizer_config.json does the same.
    pub special_tokens_as_text: bool,
    /// Lower-cases texts before everything else, unless the normalizer has a "Lowercase" step (`do_lower_case` of
    /// sentence-transformers).
    pub lowercase: bool,
}

/// A loaded tokenizer. Immutable, so that any number of threads may encode with it at once.
pub struct TrebleTokTokenizer {
    /// Without padding, truncation and post-processor: those are ours to apply, per call.
    pub(crate) tokenizer: Tokenizer,
    pub(crate) post_processor: Option<PostProcessorWrapper>,
    /// Special tokens that the post-processor adds to a single text.
    pub(crate) num_special: usize,
    /// `truncation_side: left`.
    pub(crate) cuts_at_start: bool,
    /// Where a long text may be cut for tokenizing.
    pub(crate) boundaries: Boundaries,
    /// Sorted when a text first needs it.
    pub(crate) vocabulary: OnceLock<Vocabulary>,
    /// Where files disagree, a sentence each.
    pub(crate) warnings: Vec<String>,
}

const fn assert_shareable<T: Send + Sync>() {}
const _: () = assert_shareable::<TrebleTokTokenizer>();

/// The parts of tokenizer.json; the model stays text, since its vocabulary can be large.
#[derive(Deserialize)]
struct FileParts<'a> {
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    added_tokens: Vec<Value>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(borrow)]
    model: &'a RawValue,
}

impl TrebleTokTokenizer {
    /// `files`: what stands beside tokenizer.json; None takes tokenizer.json as it stands. Padding, truncation and BPE
    /// dropout stored in it are ignored, the side of truncation excepted.
    pub(crate) fn load(
        json: &[u8],
        files: Option<SideFiles>,
        options: TrebleTokLoadOptions,
    ) -> Result<Self, Failure> {
        let Some(files) = files else {
            let tokenizer = serde_json::from_slice(json).map_err(invalid)?;
            return Self::finish(tokenizer, options, false, Vec::new());
        };
        let parts: FileParts = serde_json::from_slice(json).map_err(invalid)?;
        let settings = Settings::read(&files, &parts.added_tokens)?;
        let class = classes::choose(&names(&files, json)?)?;
        let mut loading = Loading {
            parts,
            settings,
            class,
        };
        let tokenizer = loading.tokenizer(json)?;
        let as_text = loading
            .settings
            .flag("split_special_tokens")?
            .unwrap_or(false);
        let options = TrebleTokLoadOptions {
            special_tokens_as_text: options.special_tokens_as_text || as_text,
            ..options
        };
        let cuts_at_start = loading.cuts_at_start()?;
        Self::finish(tokenizer, options, cuts_at_start, loading.settings.warnings)
    }

    fn finish(
        mut tokenizer: Tokenizer,
        options: TrebleTokLoadOptions,
        cuts_at_start: bool,
        warnings: Vec<String>,
    ) -> Result<Self, Failure> {
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(invalid)?;
        tokenizer.set_encode_special_tokens(options.special_tokens_as_text);
        disable_dropout(&mut tokenizer);
        if options.lowercase {
            lowercase_first(&mut tokenizer)?;
        }
        let post_processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let num_special = count_special(post_processor.as_ref())?;
        let boundaries = Boundaries::of(&tokenizer);
        Ok(Self {
            tokenizer,
            post_processor,
            num_special,
            cuts_at_start,
            boundaries,
            vocabulary: OnceLock::new(),
            warnings,
        })
    }
}

/// What names the tokenizer class.
fn names(files: &SideFiles, json: &[u8]) -> Result<Names, Failure> {
    let config = object_from(files.config, "config.json")?;
    let tokenizer_config = object_from(files.tokenizer_config, "tokenizer_config.json")?;
    let text = |object: &Map<String, Value>, key: &str| {
        object.get(key).and_then(Value::as_str).map(str::to_owned)
    };
    let has_code = match tokenizer_config.get("auto_map") {
        Some(Value::Object(map)) => map.get("AutoTokenizer").is_some_and(|code| !code.is_null()),
        other => other.is_some_and(|code| !code.is_null()),
    };
    const MARK: &[u8] = b"\"ByteLevel\"";
    Ok(Names {
        model_type: text(&config, "model_type").unwrap_or_default(),
        config_class: text(&config, "tokenizer_class"),
        tokenizer_class: text(&tokenizer_config, "tokenizer_class"),
        has_code,
        byte_level: json.windows(MARK.len()).any(|window| window == MARK),
    })
}

/// A tokenizer on its way from the files to what transformers makes of them.
struct Loading<'a> {
    parts: FileParts<'a>,
    settings: Settings,
    class: Option<Class>,
}

impl Loading<'_> {
    fn tokenizer(&mut self, json: &[u8]) -> Result<Tokenizer, Failure> {
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
            self.warn_of_differences(class, &tokenizer)?;
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
            named.push((key.clone(), Token::from_value(value, key)?));
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
        let count = match self.settings.values.get("extra_ids") {
            None => 100,
            Some(value) => value
                .as_u64()
                .filter(|count| *count <= 1 << 20)
                .ok_or_else(|| {
                    Failure::settings(format!(
                        "tokenizer_config.json: extra_ids is {value}, it must be a small number"
                    ))
                })?,
        };
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

    fn cuts_at_start(&self) -> Result<bool, Failure> {
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

    fn warn_of_differences(&mut self, class: Class, tokenizer: &Tokenizer) -> Result<(), Failure> {
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
    fn warn_of_ends(
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
    fn warn_of_moved_tokens(&mut self, tokenizer: &Tokenizer) {
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

fn invalid(error: impl std::fmt::Display) -> Failure {
    Failure::new(TrebleTokStatus::InvalidTokenizer, error.to_string())
}

/// BPE dropout is a training aid that draws at random; an embedding must be the same every time.
fn disable_dropout(tokenizer: &mut Tokenizer) {
    let ModelWrapper::BPE(bpe) = tokenizer.get_model() else {
        return;
    };
    if bpe.dropout.is_some() {
        let mut bpe = bpe.clone();
        bpe.dropout = None;
        tokenizer.with_model(bpe);
    }
}

/// As sentence-transformers decides it: BertNormalizer's own lower-casing does not count.
fn lowercases(normalizer: &NormalizerWrapper) -> bool {
    let is_lowercase = |step: &NormalizerWrapper| matches!(step, NormalizerWrapper::Lowercase(_));
    match normalizer {
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().any(is_lowercase),
        other => is_lowercase(other),
    }
}

fn lowercase_first(tokenizer: &mut Tokenizer) -> Result<(), Failure> {
    let before = tokenizer.get_normalizer().cloned();
    if before.as_ref().is_some_and(lowercases) {
        return Ok(());
    }
    let mut steps: Vec<NormalizerWrapper> = vec![Lowercase.into()];
    match before {
        Some(NormalizerWrapper::Sequence(sequence)) => steps.extend(sequence),
        other => steps.extend(other),
    }
    tokenizer
        .with_normalizer(Some(Sequence::new(steps)))
        .map_err(invalid)?;
    Ok(())
}

/// What a post-processor puts around nothing.
fn added_ids(post_processor: Option<&PostProcessorWrapper>) -> Result<Vec<u32>, Failure> {
    let Some(processor) = post_processor else {
        return Ok(Vec::new());
    };
    let added = processor
        .process(Encoding::default(), None, true)
        .map_err(invalid)?;
    check_columns(&added).map_err(|failure| invalid(failure.message))?;
    Ok(added.get_ids().to_vec())
}

/// The count by which truncation must make room. Counted twice, since a damaged template panics or disagrees with itself
/// only when it is used, and that should be now rather than at the first text.
fn count_special(post_processor: Option<&PostProcessorWrapper>) -> Result<usize, Failure> {
    let promised = post_processor.map_or(0, |processor| processor.added_tokens(false));
    let added = added_ids(post_processor)?.len();
    if promised != added {
        return Err(invalid(format!(
            "the post_processor promises {promised} special tokens for a text but adds {added}"
        )));
    }
    Ok(added)
}
