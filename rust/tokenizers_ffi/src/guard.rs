//! Keeps panics inside: caught, silent, and with their message.

use crate::bytes::TrebleTokBytes;
use crate::status::{Failure, TrebleTokStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A library must not print, and Rust's default hook prints every panic, also those that are caught. While this thread
/// is inside an entry point its message is kept for the caller instead; all other panics go to the hook that was there.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.with(Cell::get) {
                let text = describe(info);
                LAST_PANIC.with(|last| *last.borrow_mut() = text);
            } else {
                previous(info);
            }
        }));
    });
}

fn describe(info: &PanicHookInfo) -> String {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    // The file's name without its folders: where a crate was built says nothing to a reader.
    let place = info.location().map_or_else(String::new, |at| {
        let file = at.file().rsplit('/').next().unwrap_or_default();
        format!(" ({file}:{})", at.line())
    });
    format!("the tokenizer panicked: {message}{place}")
}

/// Runs `work`; a panic becomes a `Failure`.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    install_hook();
    let outer = INSIDE.with(|inside| inside.replace(true));
    // A handle is only read after it is built, and the crate's caches survive a panic (a poisoned lock is a cache miss),
    // so nothing half-changed can be seen afterwards.
    let result = catch_unwind(AssertUnwindSafe(work));
    let result = result.unwrap_or_else(|payload| {
        let message = LAST_PANIC.with(|last| std::mem::take(&mut *last.borrow_mut()));
        // Dropping a payload runs foreign code too, which may panic again; what that throws is leaked, not dropped.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        Err(Failure::new(TrebleTokStatus::Panic, message))
    });
    INSIDE.with(|inside| inside.set(outer));
    result
}

/// Runs `work` for an entry point that returns a status and may give a message.
///
/// # Safety
/// `error` is null or points to writable memory for one `TrebleTokBytes`.
pub unsafe fn with_status(
    error: *mut TrebleTokBytes,
    work: impl FnOnce() -> Result<(), Failure>,
) -> TrebleTokStatus {
    let (status, message) = match guarded(work) {
        Ok(()) => (TrebleTokStatus::Ok, TrebleTokBytes::empty()),
        Err(failure) if error.is_null() => (failure.status, TrebleTokBytes::empty()),
        Err(failure) => (failure.status, TrebleTokBytes::from_string(failure.message)),
    };
    if !error.is_null() {
        // SAFETY: the caller's promise.
        unsafe { error.write(message) };
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure_with_its_message_and_place() {
        let failure = guarded::<()>(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(failure.status, TrebleTokStatus::Panic);
        assert!(failure.message.contains("number 7"), "{}", failure.message);
        assert!(
            failure.message.contains("(guard.rs:"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_panic_with_a_strange_payload_is_caught_too() {
        let failure = guarded::<()>(|| std::panic::panic_any(42_u8)).unwrap_err();
        assert_eq!(failure.status, TrebleTokStatus::Panic);
        assert!(
            failure.message.contains("no message"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn errors_and_values_pass_through() {
        assert_eq!(guarded(|| Ok(3)).unwrap(), 3);
        let failure = guarded::<()>(|| Err(Failure::argument("no"))).unwrap_err();
        assert_eq!(failure.status, TrebleTokStatus::InvalidArgument);
    }
}
