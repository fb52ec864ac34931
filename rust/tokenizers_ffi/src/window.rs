//! A long text, tokenized piece by piece: the tokens are those of the whole, the memory that of a piece.

use crate::boundary::Cut;
use crate::encode::{TrebleTokEncodeOptions, cut};
use crate::load::TrebleTokTokenizer;
use crate::status::{Failure, TrebleTokStatus};
use crate::vocabulary::Vocabulary;
use std::collections::VecDeque;
use tokenizers::Encoding;

const DEFAULT_WINDOW_BYTES: usize = 1 << 16;
/// What the tokenizers crate needs for a byte of text, at most; measured on texts without a safe place.
const MEMORY_PER_BYTE: usize = 450;
/// Below this, memory is not asked for beforehand.
const SMALL_PIECE_BYTES: usize = 1 << 20;
/// A piece without a safe place may be so long; so no text takes more than about two gigabytes.
const MAX_PIECE_BYTES: usize = 4 << 20;

/// The tokens of a text without those that the post-processor adds.
pub(crate) struct Content {
    /// At most as many as there is room for.
    pub(crate) kept: Encoding,
    /// Tokens of the whole text.
    pub(crate) len: usize,
}

impl Content {
    pub(crate) fn of(whole: Encoding, room: usize, at_start: bool) -> Self {
        let len = whole.len();
        let kept = if len > room {
            cut(&whole, room, at_start)
        } else {
            whole
        };
        Content { kept, len }
    }
}

/// A failed allocation inside the crate would end the process, so ask first.
fn check_memory(bytes: usize) -> Result<(), Failure> {
    if bytes <= SMALL_PIECE_BYTES {
        return Ok(());
    }
    let needed = bytes.saturating_mul(MEMORY_PER_BYTE);
    let has_room = bytes <= MAX_PIECE_BYTES && Vec::<u8>::new().try_reserve_exact(needed).is_ok();
    if has_room {
        return Ok(());
    }
    Err(Failure::new(
        TrebleTokStatus::OutOfMemory,
        format!(
            "not enough memory: {bytes} bytes in a row of the text have no place where they can be cut for tokenizing, \
             and take up to {} MB; at most {} MB of text in a row are tokenized so, where there is memory for it: put \
             spaces into the text, or split it",
            needed >> 20,
            MAX_PIECE_BYTES >> 20
        ),
    ))
}

/// The first place at or behind byte `from` where a piece may end. The vocabulary is looked into where the next
/// `window` bytes have no other place.
fn next_place(handle: &TrebleTokTokenizer, text: &str, from: usize, window: usize) -> Option<Cut> {
    let places = &handle.boundaries;
    let near = from.saturating_add(window);
    places
        .find(text, from, near)
        .or_else(|| {
            if !places.vocabulary || near >= text.len() {
                return None;
            }
            let tokenizer = &handle.tokenizer;
            let vocabulary = handle.vocabulary.get_or_init(|| Vocabulary::of(tokenizer));
            places.find_in_vocabulary(tokenizer, vocabulary, text, (from, near))
        })
        .or_else(|| places.find(text, near, text.len()))
}

/// Pieces that hold the first or the last `room` tokens.
struct Kept {
    pieces: VecDeque<Encoding>,
    len: usize,
    room: usize,
    at_start: bool,
}

impl Kept {
    fn add(&mut self, piece: Encoding) {
        if !self.at_start && self.len >= self.room {
            return;
        }
        self.len += piece.len();
        self.pieces.push_back(piece);
        while self.at_start
            && self
                .pieces
                .front()
                .is_some_and(|first| self.len - first.len() >= self.room)
        {
            self.len -= self.pieces.pop_front().map_or(0, |first| first.len());
        }
    }

    fn finish(self, len: usize) -> Content {
        let merged = Encoding::merge(self.pieces, false);
        let kept = Content::of(merged, self.room, self.at_start).kept;
        Content { kept, len }
    }
}

pub(crate) fn tokenize_in_windows(
    handle: &TrebleTokTokenizer,
    text: &str,
    room: usize,
    options: &TrebleTokEncodeOptions,
) -> Result<Content, Failure> {
    let window = match options.window_bytes {
        0 => DEFAULT_WINDOW_BYTES,
        bytes => bytes,
    };
    let tokenize = |piece: &str| {
        check_memory(piece.len())?;
        handle
            .tokenizer
            .encode_fast(piece, false)
            .map_err(Failure::from_crate)
    };
    if text.len() <= window.saturating_mul(2) {
        return Ok(Content::of(tokenize(text)?, room, options.cut_at_start));
    }
    let mut kept = Kept {
        pieces: VecDeque::new(),
        len: 0,
        room,
        at_start: options.cut_at_start,
    };
    let (mut begin, mut overlap, mut len) = (0, 0, 0);
    while begin < text.len() {
        let place = next_place(handle, text, begin + window, window);
        let end = place.map_or(text.len(), |place| place.end);
        let mut piece = tokenize(&text[begin - overlap..end])?;
        if overlap > 0 {
            let repeated = tokenize(&text[begin - overlap..begin])?.len();
            piece = cut(&piece, piece.len() - repeated, true);
        }
        len += piece.len();
        kept.add(piece);
        (begin, overlap) = place.map_or((end, 0), |place| (place.next, place.overlap));
    }
    Ok(kept.finish(len))
}
