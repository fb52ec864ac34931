//! From the bytes of a tokenizer.json to a handle.

use crate::encode::check_columns;
use crate::status::{Failure, TrebleTokStatus};
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Tokenizer};

/// How a tokenizer is loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TrebleTokLoadOptions {
    /// False is Hugging Face's behaviour: "[SEP]" in a text becomes the special token. True: it is split like any other
    /// text.
    pub special_tokens_as_text: bool,
    /// Lower-cases texts before everything else, unless the file's normalizer does so already (`do_lower_case` of
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
}

const fn assert_shareable<T: Send + Sync>() {}
const _: () = assert_shareable::<TrebleTokTokenizer>();

impl TrebleTokTokenizer {
    /// Padding and truncation stored in the file are ignored.
    pub(crate) fn from_json(json: &[u8], options: TrebleTokLoadOptions) -> Result<Self, Failure> {
        let mut tokenizer: Tokenizer = serde_json::from_slice(json).map_err(invalid)?;
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
        Ok(Self {
            tokenizer,
            post_processor,
            num_special,
        })
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

fn lowercases(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Lowercase(_) => true,
        NormalizerWrapper::BertNormalizer(bert) => bert.lowercase,
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().any(lowercases),
        _ => false,
    }
}

fn lowercase_first(tokenizer: &mut Tokenizer) -> Result<(), Failure> {
    let before = tokenizer.get_normalizer().cloned();
    if before.as_ref().is_some_and(lowercases) {
        return Ok(());
    }
    let mut steps: Vec<NormalizerWrapper> = vec![Lowercase.into()];
    steps.extend(before);
    tokenizer
        .with_normalizer(Some(Sequence::new(steps)))
        .map_err(invalid)?;
    Ok(())
}

/// The count by which truncation must make room. Counted twice, since a damaged template panics or disagrees with itself
/// only when it is used, and that should be now rather than at the first text.
fn count_special(post_processor: Option<&PostProcessorWrapper>) -> Result<usize, Failure> {
    let Some(processor) = post_processor else {
        return Ok(0);
    };
    let promised = processor.added_tokens(false);
    let added = processor
        .process(Encoding::default(), None, true)
        .map_err(invalid)?;
    check_columns(&added).map_err(|failure| invalid(failure.message))?;
    let added = added.len();
    if promised != added {
        return Err(invalid(format!(
            "the post_processor promises {promised} special tokens for a text but adds {added}"
        )));
    }
    Ok(added)
}
