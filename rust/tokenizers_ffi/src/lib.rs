//! A thin C ABI over the `tokenizers` crate, and over `minijinja` for chat templates.
//!
//! Rules that hold for every entry point:
//! * no panic crosses the boundary and nothing is printed: a panic becomes `TrebleTokStatus::Panic` with its message;
//! * lengths are bytes, text is UTF-8 and may contain NUL; invalid UTF-8 is an error that names the first bad byte;
//! * what is returned through an out-pointer belongs to the caller, who gives it to the matching `_free`;
//! * a tokenizer handle may be used by any number of threads at once, until it is freed.

mod boundary;
mod bytes;
mod chat;
mod classes;
mod differences;
mod encode;
mod entry;
mod guard;
mod load;
mod loading;
mod models;
mod rebuild;
mod sentence_piece;
mod side_files;
mod status;
mod steps;
mod token;
mod vocabulary;
mod vocabulary_files;
mod window;

pub use bytes::{TrebleTokBytes, treble_tok_bytes_free};
pub use chat::*;
pub use encode::{TrebleTokEncodeOptions, TrebleTokEncoding, TrebleTokSpan};
pub use entry::*;
pub use load::{TrebleTokLoadOptions, TrebleTokTokenizer};
pub use status::TrebleTokStatus;
