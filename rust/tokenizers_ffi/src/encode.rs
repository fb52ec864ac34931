//! One text to token ids, cut to a limit in the way of Hugging Face.

use crate::load::TrebleTokTokenizer;
use crate::status::{Failure, TrebleTokStatus};
use crate::window::{Content, tokenize_in_windows};
use tokenizers::{Encoding, PostProcessor};

/// How one text is encoded.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TrebleTokEncodeOptions {
    /// Maximum number of tokens, special tokens included; 0 means no limit. A limit must leave room for the special
    /// tokens and one more.
    pub max_length: usize,
    /// Where a longer text is cut: false at the end, true at the start. Special tokens are never cut.
    pub cut_at_start: bool,
    /// Adds the model's special tokens ([CLS], </s>, ...) as its post-processor says.
    pub add_special_tokens: bool,
    /// Also fills the special-token mask, spans and token strings; costs time and memory.
    pub with_details: bool,
    /// Texts of more than twice as many bytes are tokenized in pieces of about this size, wherever that gives the same
    /// tokens; 0 means 64 KiB. Memory then grows with this and with `max_length`, not with the text. Not with details.
    pub window_bytes: usize,
}

/// Where in the text a token comes from: half-open, zero length for tokens that were added.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrebleTokSpan {
    /// First byte.
    pub byte_begin: usize,
    /// One past the last byte.
    pub byte_end: usize,
    /// First Unicode scalar value.
    pub char_begin: usize,
    /// One past the last Unicode scalar value.
    pub char_end: usize,
}

/// The result of encoding a text. All arrays belong to the encoding, are read-only, and have `len` entries unless said
/// otherwise; those of details are null unless asked for. Give the encoding to `treble_tok_encoding_free` once.
#[repr(C)]
#[derive(Debug)]
pub struct TrebleTokEncoding {
    /// Token ids, cut to the limit. Null when `len` is 0.
    pub ids: *const u32,
    /// Tokens in the result.
    pub len: usize,
    /// Tokens that the whole text has, special tokens included: more than `len` exactly if it was cut.
    pub num_tokens: usize,
    /// Detail: 1 for tokens that the post-processor added, 0 for tokens of the text (also a literal "[SEP]").
    pub special_mask: *const u8,
    /// Detail: where each token comes from.
    pub spans: *const TrebleTokSpan,
    /// Detail: token strings end to end, UTF-8; token i ends before byte `token_ends[i]`.
    pub token_bytes: *const u8,
    /// Detail: see `token_bytes`.
    pub token_ends: *const usize,
    /// Of a pair: the token type of each token, where the tokenizer gives types (`treble_tok_gives_type_ids`); else null.
    pub type_ids: *const u32,
}

/// The encoding with the vectors that its pointers show.
#[repr(C)]
pub(crate) struct OwnedEncoding {
    /// First, so that a pointer to this is a pointer to the whole.
    view: TrebleTokEncoding,
    ids: Vec<u32>,
    special_mask: Vec<u8>,
    spans: Vec<TrebleTokSpan>,
    token_bytes: String,
    token_ends: Vec<usize>,
    type_ids: Vec<u32>,
}

pub(crate) fn encode(
    handle: &TrebleTokTokenizer,
    text: &str,
    options: &TrebleTokEncodeOptions,
) -> Result<Box<OwnedEncoding>, Failure> {
    let num_special = if options.add_special_tokens {
        handle.num_special
    } else {
        0
    };
    let room = content_limit(options.max_length, num_special)?;
    let content = if options.with_details {
        let whole = handle
            .tokenizer
            .encode(text, false)
            .map_err(Failure::from_crate)?;
        Content::of(whole, room, options.cut_at_start)
    } else {
        tokenize_in_windows(handle, text, room, options)?
    };
    let content_len = content.len;
    let kept = content.kept;
    // Cutting before the post-processor is what `truncation=True, max_length=N` does in Hugging Face, and keeps special
    // tokens where the template puts them.
    let full = match &handle.post_processor {
        Some(processor) => processor
            .process(kept, None, options.add_special_tokens)
            .map_err(Failure::from_crate)?,
        None => kept,
    };
    let num_tokens = if content_len > room {
        content_len + num_special
    } else {
        full.len()
    };
    check_columns(&full)?;
    Ok(OwnedEncoding::new(
        &full,
        num_tokens,
        text,
        options.with_details,
    ))
}

/// Two texts in one sequence, as the post-processor's pair template lays them out. Without details.
pub(crate) fn encode_pair(
    handle: &TrebleTokTokenizer,
    (text, pair): (&str, &str),
    options: &TrebleTokEncodeOptions,
) -> Result<Box<OwnedEncoding>, Failure> {
    let num_special = if options.add_special_tokens {
        handle.num_special_of_pair()?
    } else {
        0
    };
    let room = content_limit(options.max_length, num_special)?;
    let first = tokenize_in_windows(handle, text, room, options)?;
    let second = tokenize_in_windows(handle, pair, room, options)?;
    let content_len = first.len + second.len;
    let (first_room, second_room) = longest_first(first.len, second.len, room);
    let first = Content::of(first.kept, first_room, options.cut_at_start).kept;
    let mut second = Content::of(second.kept, second_room, options.cut_at_start).kept;
    second.set_type_ids(vec![1; second.len()]);
    let full = match &handle.post_processor {
        Some(processor) => processor
            .process(first, Some(second), options.add_special_tokens)
            .map_err(Failure::from_crate)?,
        None => Encoding::merge([first, second], false),
    };
    let num_tokens = if content_len > room {
        content_len + num_special
    } else {
        full.len()
    };
    check_columns(&full)?;
    let mut encoding = OwnedEncoding::new(&full, num_tokens, text, false);
    if handle.gives_type_ids {
        encoding.type_ids = full.get_type_ids().to_vec();
        encoding.view.type_ids = pointer(&encoding.type_ids);
    }
    Ok(encoding)
}

/// How many tokens of two texts are kept: the longer one is cut, down to the other's length; then both alike, an odd token
/// going to the longer one, or of equal ones to the second (`truncation="longest_first"` of Hugging Face, `truncate_encodings`
/// of the crate, which also copies all that it cuts off).
fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    if first.saturating_add(second) <= room {
        return (first, second);
    }
    let short = first.min(second).min(room / 2);
    let long = room - short;
    if first > second {
        (long, short)
    } else {
        (short, long)
    }
}

/// Tokens of the text that fit beside the special tokens.
fn content_limit(max_length: usize, num_special: usize) -> Result<usize, Failure> {
    if max_length == 0 {
        return Ok(usize::MAX);
    }
    if max_length <= num_special {
        return Err(Failure::new(
            TrebleTokStatus::InvalidArgument,
            format!(
                "a limit of {max_length} tokens leaves no room for text: this tokenizer adds {num_special} special \
                 tokens, so the limit must be at least {}",
                num_special + 1
            ),
        ));
    }
    Ok(max_length - num_special)
}

/// A damaged template can list more ids than tokens; the caller may rely on all arrays having `len` entries.
pub(crate) fn check_columns(encoding: &Encoding) -> Result<(), Failure> {
    let len = encoding.len();
    let columns = [
        encoding.get_tokens().len(),
        encoding.get_type_ids().len(),
        encoding.get_offsets().len(),
        encoding.get_special_tokens_mask().len(),
    ];
    if columns.iter().any(|&column| column != len) {
        return Err(Failure::from_crate(format!(
            "the post_processor gives {len} ids but {} tokens",
            columns[0]
        )));
    }
    Ok(())
}

/// The first or last `room` tokens. Not `Encoding::truncate`, which would also copy all that is cut off.
pub(crate) fn cut(content: &Encoding, room: usize, at_start: bool) -> Encoding {
    let len = content.len();
    let kept = if at_start { len - room..len } else { 0..room };
    Encoding::new(
        content.get_ids()[kept.clone()].to_vec(),
        content.get_type_ids()[kept.clone()].to_vec(),
        content.get_tokens()[kept.clone()].to_vec(),
        content.get_word_ids()[kept.clone()].to_vec(),
        content.get_offsets()[kept.clone()].to_vec(),
        content.get_special_tokens_mask()[kept.clone()].to_vec(),
        content.get_attention_mask()[kept].to_vec(),
        Vec::new(),
        Default::default(),
    )
}

impl OwnedEncoding {
    fn new(encoding: &Encoding, num_tokens: usize, text: &str, with_details: bool) -> Box<Self> {
        let mut owned = Box::new(Self {
            view: TrebleTokEncoding {
                ids: std::ptr::null(),
                len: encoding.len(),
                num_tokens,
                special_mask: std::ptr::null(),
                spans: std::ptr::null(),
                token_bytes: std::ptr::null(),
                token_ends: std::ptr::null(),
                type_ids: std::ptr::null(),
            },
            ids: encoding.get_ids().to_vec(),
            special_mask: Vec::new(),
            spans: Vec::new(),
            token_bytes: String::new(),
            token_ends: Vec::new(),
            type_ids: Vec::new(),
        });
        owned.view.ids = pointer(&owned.ids);
        if with_details {
            owned.fill_details(encoding, text);
        }
        owned
    }

    fn fill_details(&mut self, encoding: &Encoding, text: &str) {
        let mask = encoding.get_special_tokens_mask();
        self.special_mask = mask.iter().map(|&bit| u8::from(bit != 0)).collect();
        self.spans = spans(encoding.get_offsets(), text);
        for token in encoding.get_tokens() {
            self.token_bytes.push_str(token);
            self.token_ends.push(self.token_bytes.len());
        }
        self.view.special_mask = pointer(&self.special_mask);
        self.view.spans = pointer(&self.spans);
        self.view.token_bytes = pointer(self.token_bytes.as_bytes());
        self.view.token_ends = pointer(&self.token_ends);
    }

    /// Hands the encoding to the caller.
    pub(crate) fn into_raw(self: Box<Self>) -> *mut TrebleTokEncoding {
        Box::into_raw(self).cast()
    }

    /// # Safety
    /// `raw` came from `into_raw` and was not taken back before.
    pub(crate) unsafe fn from_raw(raw: *mut TrebleTokEncoding) -> Box<Self> {
        // SAFETY: `view` is the first field of a repr(C) struct, and the caller's promise.
        unsafe { Box::from_raw(raw.cast()) }
    }
}

fn pointer<T>(values: &[T]) -> *const T {
    if values.is_empty() {
        std::ptr::null()
    } else {
        values.as_ptr()
    }
}

/// Byte offsets as the crate gives them, and the same in characters. A byte-level token may begin or end inside a
/// character; counted in characters it then covers the characters that it touches at its begin and passes at its end,
/// as in Hugging Face.
fn spans(offsets: &[(usize, usize)], text: &str) -> Vec<TrebleTokSpan> {
    let mut char_at = Vec::with_capacity(text.len() + 1);
    for (index, character) in text.chars().enumerate() {
        char_at.extend(std::iter::repeat_n(index, character.len_utf8()));
    }
    char_at.push(char_at.last().map_or(0, |last| last + 1));
    let to_char = |byte: usize| char_at[byte.min(text.len())];
    offsets
        .iter()
        .map(|&(begin, end)| TrebleTokSpan {
            byte_begin: begin,
            byte_end: end,
            char_begin: to_char(begin),
            char_end: to_char(end),
        })
        .collect()
}
