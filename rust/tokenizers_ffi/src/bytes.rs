//! Bytes owned by the caller, and byte ranges lent by the caller.

use crate::status::{Failure, TrebleTokStatus};

/// Bytes that the library allocated and the caller owns: UTF-8, not NUL-terminated, may contain NUL.
/// Give it to `treble_tok_bytes_free` once; a null `data` needs no freeing.
#[repr(C)]
#[derive(Debug)]
pub struct TrebleTokBytes {
    /// The first byte, or null when `len` is 0.
    pub data: *mut u8,
    /// How many bytes.
    pub len: usize,
}

impl TrebleTokBytes {
    pub(crate) fn empty() -> Self {
        Self {
            data: std::ptr::null_mut(),
            len: 0,
        }
    }

    /// Takes the string. Repairs it first: with hostile merges the `tokenizers` crate can put a cut character into
    /// its own error message.
    pub(crate) fn from_string(text: String) -> Self {
        let repaired = String::from_utf8_lossy(text.as_bytes()).into_owned();
        if repaired.is_empty() {
            return Self::empty();
        }
        let boxed = repaired.into_bytes().into_boxed_slice();
        let len = boxed.len();
        Self {
            data: Box::into_raw(boxed).cast::<u8>(),
            len,
        }
    }
}

/// Frees bytes that a call of this library returned. Must not be called twice on the same bytes.
///
/// # Safety
/// `bytes` was returned by this library and not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_bytes_free(bytes: TrebleTokBytes) {
    if !bytes.data.is_null() {
        let slice = std::ptr::slice_from_raw_parts_mut(bytes.data, bytes.len);
        // SAFETY: `from_string` made this from a boxed slice of exactly `len` bytes.
        drop(unsafe { Box::from_raw(slice) });
    }
}

/// The lent bytes; null is allowed for an empty range only.
///
/// # Safety
/// `data` points to `len` readable bytes that live as long as the result is used.
pub(crate) unsafe fn borrow<'a, T>(
    data: *const T,
    len: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failure::argument(format!(
            "{what}: null pointer with length {len}"
        )));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// The lent bytes as text.
///
/// # Safety
/// As `borrow`.
pub(crate) unsafe fn borrow_text<'a>(
    data: *const u8,
    len: usize,
    what: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { borrow(data, len, what) }?;
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Failure::new(
            TrebleTokStatus::InvalidUtf8,
            format!(
                "{what} is not valid UTF-8: byte 0x{:02X} at offset {at} of {len}",
                bytes[at]
            ),
        )
    })
}
