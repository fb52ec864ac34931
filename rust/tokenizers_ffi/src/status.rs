//! What can go wrong, as a number for the caller to switch on and a message for a person to read.

use std::fmt;

/// The outcome of a call. Anything but `Ok` comes with a message in the call's `error` out-pointer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrebleTokStatus {
    /// The call did what it says.
    Ok = 0,
    /// A pointer is null where it must not be, or an option has no meaning for this tokenizer.
    InvalidArgument = 1,
    /// The text is not valid UTF-8 (also: surrogates written as three bytes); the message names the first bad byte.
    InvalidUtf8 = 2,
    /// The bytes are not a tokenizer.json that the `tokenizers` crate understands.
    InvalidTokenizer = 3,
    /// The tokenizer was loaded but cannot do this (for example: unknown character and no unknown token).
    Failed = 4,
    /// The `tokenizers` crate panicked; the handle stays usable.
    Panic = 5,
    /// A file beside tokenizer.json is damaged or contradicts another; the message begins with the file's name.
    InvalidSettings = 6,
    /// A file asks for something that cannot be done here; the message begins with the file's name.
    Unsupported = 7,
    /// There is not enough memory for this text.
    OutOfMemory = 8,
}

/// A status with its message, inside this crate.
#[derive(Debug)]
pub struct Failure {
    pub status: TrebleTokStatus,
    pub message: String,
}

impl Failure {
    pub fn new(status: TrebleTokStatus, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(TrebleTokStatus::InvalidArgument, message)
    }

    /// A file beside tokenizer.json is at fault.
    pub fn settings(message: impl Into<String>) -> Self {
        Self::new(TrebleTokStatus::InvalidSettings, message)
    }

    /// A file asks for what cannot be done.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(TrebleTokStatus::Unsupported, message)
    }

    /// An error of the `tokenizers` crate while it works on a text.
    pub fn from_crate(error: impl fmt::Display) -> Self {
        Self::new(TrebleTokStatus::Failed, error.to_string())
    }
}

/// tokenizer.json is at fault.
pub fn invalid(error: impl fmt::Display) -> Failure {
    Failure::new(TrebleTokStatus::InvalidTokenizer, error.to_string())
}
