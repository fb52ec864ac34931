//! The C entry points. Each is a few lines: borrow, guard, call, hand over.

use crate::bytes::{TrebleTokBytes, borrow, borrow_text};
use crate::encode::{
    OwnedEncoding, TrebleTokEncodeOptions, TrebleTokEncoding, encode, encode_pair,
};
use crate::guard::{guarded, with_status};
use crate::load::{TrebleTokLoadOptions, TrebleTokTokenizer};
use crate::side_files::SideFiles;
use crate::status::{Failure, TrebleTokStatus};
use crate::vocabulary_files::VocabularyFiles;

/// # Safety
/// `pointer` is null or valid for as long as the result is used.
unsafe fn shared<'a, T>(pointer: *const T, what: &str) -> Result<&'a T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::argument(format!("{what} is null")))
}

/// # Safety
/// `pointer` is null or valid for writing.
unsafe fn out<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::argument(format!("{what} is null")))
}

/// The version of the `tokenizers` crate, NUL-terminated; lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn treble_tok_crate_version() -> *const std::ffi::c_char {
    c"0.23.2".as_ptr()
}

/// A file's content, lent by the caller; null where there is no such file.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TrebleTokFile {
    /// The first byte.
    pub data: *const u8,
    /// How many bytes.
    pub len: usize,
}

/// The files beside tokenizer.json that have a say in what the tokenizer does.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TrebleTokSideFiles {
    /// config.json: model_type, tokenizer_class.
    pub config: TrebleTokFile,
    /// tokenizer_config.json.
    pub tokenizer_config: TrebleTokFile,
    /// special_tokens_map.json.
    pub special_tokens_map: TrebleTokFile,
    /// added_tokens.json.
    pub added_tokens: TrebleTokFile,
    /// vocab.txt; this and what follows is read where there is no tokenizer.json.
    pub vocab_txt: TrebleTokFile,
    /// vocab.json.
    pub vocab_json: TrebleTokFile,
    /// merges.txt.
    pub merges: TrebleTokFile,
    /// sentencepiece.bpe.model.
    pub sentencepiece_bpe: TrebleTokFile,
    /// spiece.model.
    pub spiece: TrebleTokFile,
}

impl TrebleTokSideFiles {
    /// # Safety
    /// Each file is null or points to as many bytes as it says.
    unsafe fn lent<'a>(&self) -> Result<SideFiles<'a>, Failure> {
        let bytes = |file: &TrebleTokFile, name| {
            if file.data.is_null() {
                return Ok(None);
            }
            // SAFETY: the caller's promise.
            unsafe { borrow(file.data, file.len, name) }.map(Some)
        };
        Ok(SideFiles {
            config: bytes(&self.config, "config.json")?,
            tokenizer_config: bytes(&self.tokenizer_config, "tokenizer_config.json")?,
            special_tokens_map: bytes(&self.special_tokens_map, "special_tokens_map.json")?,
            added_tokens: bytes(&self.added_tokens, "added_tokens.json")?,
            vocabulary: VocabularyFiles {
                vocab_txt: bytes(&self.vocab_txt, "vocab.txt")?,
                vocab_json: bytes(&self.vocab_json, "vocab.json")?,
                merges: bytes(&self.merges, "merges.txt")?,
                sentencepiece_bpe: bytes(&self.sentencepiece_bpe, "sentencepiece.bpe.model")?,
                spiece: bytes(&self.spiece, "spiece.model")?,
            },
        })
    }
}

/// Loads the bytes of a tokenizer.json: with `files`, as `AutoTokenizer.from_pretrained` of transformers 5.24 loads the
/// folder; with a null pointer, as the file stands. With `files` and a null `json`, a tokenizer of their vocabulary, as
/// transformers makes it of a folder without tokenizer.json. Padding, truncation and BPE dropout stored in it are ignored.
/// On success `*tokenizer` is a handle for `treble_tok_free`; otherwise it is null.
///
/// # Safety
/// `json` points to `json_len` bytes; `files` is null or readable, with the bytes it points to; `options` is readable;
/// `tokenizer` is writable; `error` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_from_bytes(
    json: *const u8,
    json_len: usize,
    files: *const TrebleTokSideFiles,
    options: *const TrebleTokLoadOptions,
    tokenizer: *mut *mut TrebleTokTokenizer,
    error: *mut TrebleTokBytes,
) -> TrebleTokStatus {
    let work = || {
        // SAFETY: the caller's promise.
        let slot = unsafe { out(tokenizer, "tokenizer") }?;
        *slot = std::ptr::null_mut();
        let bytes = if json.is_null() && !files.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            Some(unsafe { borrow(json, json_len, "json") }?)
        };
        // SAFETY: the caller's promise.
        let files = match unsafe { files.as_ref() } {
            // SAFETY: the caller's promise.
            Some(files) => Some(unsafe { files.lent() }?),
            None => None,
        };
        // SAFETY: the caller's promise.
        let options = unsafe { shared(options, "options") }?;
        let loaded = TrebleTokTokenizer::load(bytes, files, *options)?;
        *slot = Box::into_raw(Box::new(loaded));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_status(error, work) }
}

/// Makes a token of the vocabulary a special one, which a text that spells it out has as it stands, unnormalized
/// (`add_special_tokens` of transformers). A text that is no token is an invalid argument.
///
/// # Safety
/// `tokenizer` is a live handle that no other thread uses; `token` points to `token_len` bytes; `error` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_make_special(
    tokenizer: *mut TrebleTokTokenizer,
    token: *const u8,
    token_len: usize,
    error: *mut TrebleTokBytes,
) -> TrebleTokStatus {
    let work = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { out(tokenizer, "tokenizer") }?;
        // SAFETY: the caller's promise.
        let token = unsafe { borrow_text(token, token_len, "token") }?;
        handle.make_special(token)
    };
    // SAFETY: the caller's promise.
    unsafe { with_status(error, work) }
}

/// Sentences, one a line, on where the files disagree and what was done; the caller frees them.
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_warnings(
    tokenizer: *const TrebleTokTokenizer,
) -> TrebleTokBytes {
    let work = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { shared(tokenizer, "tokenizer") }?;
        Ok(TrebleTokBytes::from_string(handle.warnings.join("\n")))
    };
    guarded(work).unwrap_or_else(|_| TrebleTokBytes::empty())
}

/// Whether the model's own way of cutting a long text drops its start (`truncation_side: left`).
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_cuts_at_start(tokenizer: *const TrebleTokTokenizer) -> bool {
    // SAFETY: the caller's promise.
    let work = || Ok(unsafe { shared(tokenizer, "tokenizer") }?.cuts_at_start);
    guarded(work).unwrap_or(false)
}

/// Whether the model is given the token types of a pair (`token_type_ids` among the tokenizer's `model_input_names`).
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_gives_type_ids(tokenizer: *const TrebleTokTokenizer) -> bool {
    // SAFETY: the caller's promise.
    let work = || Ok(unsafe { shared(tokenizer, "tokenizer") }?.gives_type_ids);
    guarded(work).unwrap_or(false)
}

/// Frees a handle; null is allowed. No other thread may be using it.
///
/// # Safety
/// `tokenizer` is null or a handle that was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_free(tokenizer: *mut TrebleTokTokenizer) {
    if !tokenizer.is_null() {
        let _ = guarded(|| {
            // SAFETY: the caller's promise.
            drop(unsafe { Box::from_raw(tokenizer) });
            Ok(())
        });
    }
}

/// Encodes one text. Any number of threads may call this on one handle.
/// On success `*encoding` is for `treble_tok_encoding_free`; otherwise it is null.
///
/// # Safety
/// `tokenizer` is a live handle; `text` points to `text_len` bytes; `options` is readable; `encoding` is writable;
/// `error` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_encode(
    tokenizer: *const TrebleTokTokenizer,
    text: *const u8,
    text_len: usize,
    options: *const TrebleTokEncodeOptions,
    encoding: *mut *mut TrebleTokEncoding,
    error: *mut TrebleTokBytes,
) -> TrebleTokStatus {
    let work = || {
        // SAFETY: the caller's promise.
        let (slot, handle, options) = unsafe {
            (
                out(encoding, "encoding")?,
                shared(tokenizer, "tokenizer")?,
                shared(options, "options")?,
            )
        };
        *slot = std::ptr::null_mut();
        // SAFETY: the caller's promise.
        let text = unsafe { borrow_text(text, text_len, "text") }?;
        *slot = encode(handle, text, options)?.into_raw();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_status(error, work) }
}

/// Encodes two texts as one sequence, as the tokenizer's template lays out a pair. Over the limit the longer one is cut,
/// then both alike (`truncation="longest_first"`). `with_details` is ignored. Otherwise as `treble_tok_encode`.
///
/// # Safety
/// As `treble_tok_encode`; `pair` points to `pair_len` bytes.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // two texts of two each, and what `treble_tok_encode` takes
pub unsafe extern "C" fn treble_tok_encode_pair(
    tokenizer: *const TrebleTokTokenizer,
    text: *const u8,
    text_len: usize,
    pair: *const u8,
    pair_len: usize,
    options: *const TrebleTokEncodeOptions,
    encoding: *mut *mut TrebleTokEncoding,
    error: *mut TrebleTokBytes,
) -> TrebleTokStatus {
    let work = || {
        // SAFETY: the caller's promise.
        let (slot, handle, options) = unsafe {
            (
                out(encoding, "encoding")?,
                shared(tokenizer, "tokenizer")?,
                shared(options, "options")?,
            )
        };
        *slot = std::ptr::null_mut();
        // SAFETY: the caller's promise.
        let texts = unsafe {
            (
                borrow_text(text, text_len, "text")?,
                borrow_text(pair, pair_len, "pair")?,
            )
        };
        *slot = encode_pair(handle, texts, options)?.into_raw();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_status(error, work) }
}

/// Special tokens that are added to a pair of texts; 0 where the template of pairs is damaged.
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_num_special_tokens_of_pair(
    tokenizer: *const TrebleTokTokenizer,
) -> usize {
    // SAFETY: the caller's promise.
    let work = || unsafe { shared(tokenizer, "tokenizer") }?.num_special_of_pair();
    guarded(work).unwrap_or(0)
}

/// Frees an encoding and every array in it; null is allowed.
///
/// # Safety
/// `encoding` is null or came from `treble_tok_encode` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_encoding_free(encoding: *mut TrebleTokEncoding) {
    if !encoding.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { OwnedEncoding::from_raw(encoding) });
    }
}

/// Turns ids back into text, as the tokenizer's decoder does; ids without a token are left out.
///
/// # Safety
/// `tokenizer` is a live handle; `ids` points to `ids_len` ids; `text` is writable; `error` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_decode(
    tokenizer: *const TrebleTokTokenizer,
    ids: *const u32,
    ids_len: usize,
    skip_special_tokens: bool,
    text: *mut TrebleTokBytes,
    error: *mut TrebleTokBytes,
) -> TrebleTokStatus {
    let work = || {
        // SAFETY: the caller's promise.
        let (slot, handle, ids) = unsafe {
            (
                out(text, "text")?,
                shared(tokenizer, "tokenizer")?,
                borrow(ids, ids_len, "ids")?,
            )
        };
        *slot = TrebleTokBytes::empty();
        let decoded = handle.tokenizer.decode(ids, skip_special_tokens);
        *slot = TrebleTokBytes::from_string(decoded.map_err(Failure::from_crate)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_status(error, work) }
}

/// True, and `*id` set, if the vocabulary (added tokens included) has the token.
///
/// # Safety
/// `tokenizer` is a live handle; `token` points to `token_len` bytes; `id` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_token_to_id(
    tokenizer: *const TrebleTokTokenizer,
    token: *const u8,
    token_len: usize,
    id: *mut u32,
) -> bool {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (slot, handle, token) = unsafe {
            (
                out(id, "id")?,
                shared(tokenizer, "tokenizer")?,
                borrow_text(token, token_len, "token")?,
            )
        };
        let found = handle.tokenizer.token_to_id(token);
        if let Some(found) = found {
            *slot = found;
        }
        Ok(found.is_some())
    })
    .unwrap_or(false)
}

/// True, and `*token` set (the caller frees it), if the vocabulary (added tokens included) has the id.
///
/// # Safety
/// `tokenizer` is a live handle; `token` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_id_to_token(
    tokenizer: *const TrebleTokTokenizer,
    id: u32,
    token: *mut TrebleTokBytes,
) -> bool {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (slot, handle) = unsafe { (out(token, "token")?, shared(tokenizer, "tokenizer")?) };
        *slot = TrebleTokBytes::empty();
        let found = handle.tokenizer.id_to_token(id);
        let known = found.is_some();
        if let Some(found) = found {
            *slot = TrebleTokBytes::from_string(found);
        }
        Ok(known)
    })
    .unwrap_or(false)
}

/// True if `id` is an added token that the file marks as special.
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_is_special(
    tokenizer: *const TrebleTokTokenizer,
    id: u32,
) -> bool {
    guarded(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { shared(tokenizer, "tokenizer") }?;
        let added = handle.tokenizer.get_added_vocabulary();
        let token = added.get_added_tokens_decoder().get(&id);
        Ok(token.is_some_and(|token| token.special))
    })
    .unwrap_or(false)
}

/// Tokens in the vocabulary, added tokens included. Ids may have holes: see `treble_tok_max_token_id`.
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_vocab_size(tokenizer: *const TrebleTokTokenizer) -> usize {
    guarded(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { shared(tokenizer, "tokenizer") }?;
        Ok(handle.tokenizer.get_vocab_size(true))
    })
    .unwrap_or(0)
}

/// The largest id in the vocabulary, added tokens included; 0 for an empty one. Copies the vocabulary: for use at load.
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_max_token_id(tokenizer: *const TrebleTokTokenizer) -> u32 {
    guarded(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { shared(tokenizer, "tokenizer") }?;
        let vocabulary = handle.tokenizer.get_vocab(true);
        Ok(vocabulary.values().copied().max().unwrap_or(0))
    })
    .unwrap_or(0)
}

/// Special tokens that are added to a single text.
///
/// # Safety
/// `tokenizer` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_num_special_tokens(
    tokenizer: *const TrebleTokTokenizer,
) -> usize {
    guarded(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { shared(tokenizer, "tokenizer") }?;
        Ok(handle.num_special)
    })
    .unwrap_or(0)
}
