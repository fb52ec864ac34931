//! From tokenizer.json, and the files beside it, to a handle.

use crate::boundary::Boundaries;
use crate::classes::{self, Names};
use crate::encode::check_columns;
use crate::loading::{FileParts, Loading};
use crate::side_files::{Settings, SideFiles, object_from};
use crate::status::{Failure, invalid};
use crate::vocabulary::Vocabulary;
use crate::vocabulary_files;
use serde_json::{Map, Value};
use std::sync::OnceLock;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::{
    AddedToken, Encoding, PostProcessor, PostProcessorWrapper, Tokenizer, TruncationDirection,
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
    /// The same of a pair of texts, counted when a pair is first encoded; a damaged pair template harms nobody else.
    num_special_of_pair: OnceLock<Result<usize, String>>,
    /// Whether the model is given the token types of a pair.
    pub(crate) gives_type_ids: bool,
    /// `truncation_side: left`.
    pub(crate) cuts_at_start: bool,
    /// Where a long text may be cut for tokenizing.
    pub(crate) boundaries: Boundaries,
    /// Sorted when a text first needs it.
    pub(crate) vocabulary: OnceLock<Vocabulary>,
    /// Where files disagree, a sentence each.
    pub(crate) warnings: Vec<String>,
}

/// What of the files is about the use of a tokenizer, not about its tokens.
struct Ways {
    cuts_at_start: bool,
    gives_type_ids: bool,
    warnings: Vec<String>,
}

const fn assert_shareable<T: Send + Sync>() {}
const _: () = assert_shareable::<TrebleTokTokenizer>();

impl TrebleTokTokenizer {
    /// `files`: what stands beside tokenizer.json; None takes tokenizer.json as it stands. Without a `json` the tokenizer is
    /// built from the vocabulary among the files. Padding, truncation and BPE
    /// dropout stored in it are ignored, the side of truncation excepted.
    pub(crate) fn load(
        json: Option<&[u8]>,
        files: Option<SideFiles>,
        options: TrebleTokLoadOptions,
    ) -> Result<Self, Failure> {
        let (files, json) = match (files, json) {
            (Some(files), None) => return Self::from_vocabulary(&files, options),
            (files, json) => (files, json.unwrap_or_default()),
        };
        let Some(files) = files else {
            let tokenizer: Tokenizer = serde_json::from_slice(json).map_err(invalid)?;
            let stored = tokenizer.get_truncation();
            let cuts_at_start =
                stored.is_some_and(|stored| stored.direction == TruncationDirection::Left);
            return Self::finish(
                tokenizer,
                options,
                Ways {
                    cuts_at_start,
                    gives_type_ids: true,
                    warnings: Vec::new(),
                },
            );
        };
        let parts: FileParts = serde_json::from_slice(json).map_err(invalid)?;
        let settings = Settings::read(&files, Some(&parts.added_tokens))?;
        let names = names(&files, json)?;
        let class = classes::choose(&names)?;
        let loading = Loading {
            parts,
            settings,
            class,
            from_vocabulary: false,
        };
        Self::complete(loading, json, options, &names)
    }

    /// Without tokenizer.json.
    fn from_vocabulary(files: &SideFiles, options: TrebleTokLoadOptions) -> Result<Self, Failure> {
        let names = names(files, b"")?;
        let class = classes::choose(&names)?.ok_or_else(vocabulary_files::no_class)?;
        let mut settings = Settings::read(files, None)?;
        let json = vocabulary_files::tokenizer_json(class, &files.vocabulary, &mut settings)?;
        let loading = Loading {
            parts: serde_json::from_str(&json).map_err(invalid)?,
            settings,
            class: Some(class),
            from_vocabulary: true,
        };
        Self::complete(loading, json.as_bytes(), options, &names)
    }

    fn complete(
        mut loading: Loading,
        json: &[u8],
        options: TrebleTokLoadOptions,
        names: &Names,
    ) -> Result<Self, Failure> {
        let tokenizer = loading.tokenizer(json)?;
        let as_text = loading
            .settings
            .flag("split_special_tokens")?
            .unwrap_or(false);
        let options = TrebleTokLoadOptions {
            special_tokens_as_text: options.special_tokens_as_text || as_text,
            ..options
        };
        let ways = Ways {
            cuts_at_start: loading.cuts_at_start()?,
            gives_type_ids: loading
                .settings
                .gives_type_ids()?
                .unwrap_or_else(|| classes::gives_type_ids(loading.class, names)),
            warnings: loading.settings.warnings,
        };
        Self::finish(tokenizer, options, ways)
    }

    fn finish(
        mut tokenizer: Tokenizer,
        options: TrebleTokLoadOptions,
        ways: Ways,
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
        let num_special = count_special(post_processor.as_ref(), false)?;
        let boundaries = Boundaries::of(&tokenizer);
        Ok(Self {
            tokenizer,
            post_processor,
            num_special,
            num_special_of_pair: OnceLock::new(),
            gives_type_ids: ways.gives_type_ids,
            cuts_at_start: ways.cuts_at_start,
            boundaries,
            vocabulary: OnceLock::new(),
            warnings: ways.warnings,
        })
    }

    /// From now on texts that spell out this token of the vocabulary have it as a special token, unnormalized:
    /// `add_special_tokens` of transformers.
    pub(crate) fn make_special(&mut self, token: &str) -> Result<(), Failure> {
        if self.tokenizer.token_to_id(token).is_none() {
            return Err(Failure::argument(format!(
                "the vocabulary has no token {token:?}"
            )));
        }
        self.tokenizer
            .add_special_tokens([AddedToken::from(token, true)])
            .map_err(invalid)?;
        self.boundaries = Boundaries::of(&self.tokenizer);
        self.vocabulary = OnceLock::new();
        Ok(())
    }

    /// Special tokens that the post-processor adds to a pair of texts.
    pub(crate) fn num_special_of_pair(&self) -> Result<usize, Failure> {
        self.num_special_of_pair
            .get_or_init(|| {
                count_special(self.post_processor.as_ref(), true).map_err(|failure| failure.message)
            })
            .clone()
            .map_err(invalid)
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

/// What a post-processor puts around nothing, or around nothing twice.
fn added(post_processor: Option<&PostProcessorWrapper>, pair: bool) -> Result<Vec<u32>, Failure> {
    let Some(processor) = post_processor else {
        return Ok(Vec::new());
    };
    let added = processor
        .process(Encoding::default(), pair.then(Encoding::default), true)
        .map_err(invalid)?;
    check_columns(&added).map_err(|failure| invalid(failure.message))?;
    Ok(added.get_ids().to_vec())
}

/// What a post-processor puts around nothing.
pub(crate) fn added_ids(
    post_processor: Option<&PostProcessorWrapper>,
) -> Result<Vec<u32>, Failure> {
    added(post_processor, false)
}

/// The count by which truncation must make room. Counted twice, since a damaged template panics or disagrees with itself
/// only when it is used, and that should be now rather than at the first text.
fn count_special(
    post_processor: Option<&PostProcessorWrapper>,
    pair: bool,
) -> Result<usize, Failure> {
    let promised = post_processor.map_or(0, |processor| processor.added_tokens(pair));
    let added = added(post_processor, pair)?.len();
    if promised != added {
        let what = if pair { "pair of texts" } else { "text" };
        return Err(invalid(format!(
            "the post_processor promises {promised} special tokens for a {what} but adds {added}"
        )));
    }
    Ok(added)
}
