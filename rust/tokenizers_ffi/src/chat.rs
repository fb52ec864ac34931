//! Chat templates: messages to text, as `apply_chat_template` of transformers 5.24 renders them with Jinja.

use crate::bytes::{TrebleTokBytes, borrow_text};
use crate::entry::{out, shared};
use crate::guard::{guarded, with_status};
use crate::status::{Failure, TrebleTokStatus};
use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};

/// Far beyond every real template; one with an endless loop ends here.
const FUEL: u64 = 5_000_000;
const NAME: &str = "chat template";

/// A compiled chat template. Immutable, so that any number of threads may render with it at once.
pub struct TrebleTokChatTemplate {
    environment: Environment<'static>,
}

impl TrebleTokChatTemplate {
    fn compile(source: &str) -> Result<Self, Failure> {
        let mut environment = Environment::new();
        let syntax = environment
            .syntax()
            .to_builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| Failure::from_crate(describe(&error)))?);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(print_as_python);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_function("strftime_now", |_: String| -> Result<Value, Error> {
            Err(unsupported(
                "asks for the time of day, with which scores would change",
            ))
        });
        environment.add_filter("tojson", |_: Value| -> Result<Value, Error> {
            Err(unsupported(
                "uses the filter tojson, which Treble does not have",
            ))
        });
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| Failure::settings(describe(&error)))?;
        Ok(Self { environment })
    }

    /// `context` is a JSON object: the variables of the template.
    fn render(&self, context: &str) -> Result<String, Failure> {
        let context: serde_json::Value =
            serde_json::from_str(context).map_err(|error| Failure::argument(error.to_string()))?;
        let template = self.environment.get_template(NAME);
        template
            .and_then(|template| template.render(Value::from(Serde(context))))
            .map_err(|error| Failure::from_crate(describe(&error)))
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("the template {what}"))
}

/// With the line, and what a template's own `raise_exception` says.
fn describe(error: &Error) -> String {
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{what} (line {line} of the chat template)"),
        None => what,
    }
}

/// `{{ value }}` as Python prints it; what Rust would print otherwise is refused rather than printed.
fn print_as_python(output: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    let written = match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::None => output.write_str("None"),
        ValueKind::Bool => output.write_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => output.write_str(value.as_str().unwrap_or_default()),
        ValueKind::Number if value.is_integer() => output.write_str(&value.to_string()),
        kind => {
            return Err(unsupported(&format!(
                "prints a {kind}, which Python does in a way of its own"
            )));
        }
    };
    written.map_err(Error::from)
}

/// Compiles a Jinja template, UTF-8. On success `*chat_template` is a handle for `treble_tok_chat_free`; otherwise it is
/// null, and the status of a template with a mistake is `InvalidSettings`.
///
/// # Safety
/// `source` points to `source_len` bytes; `chat_template` is writable; `error` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_chat_compile(
    source: *const u8,
    source_len: usize,
    chat_template: *mut *mut TrebleTokChatTemplate,
    error: *mut TrebleTokBytes,
) -> TrebleTokStatus {
    let work = || {
        // SAFETY: the caller's promise.
        let slot = unsafe { out(chat_template, "chat_template") }?;
        *slot = std::ptr::null_mut();
        // SAFETY: the caller's promise.
        let source = unsafe { borrow_text(source, source_len, "the chat template") }?;
        *slot = Box::into_raw(Box::new(TrebleTokChatTemplate::compile(source)?));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_status(error, work) }
}

/// Renders the variables of `context`, a JSON object. Any number of threads may call this on one handle. On success
/// `*text` is for `treble_tok_bytes_free`; a template that refuses its input, or that does what only Python can, is
/// `Failed`.
///
/// # Safety
/// `chat_template` is a live handle; `context` points to `context_len` bytes; `text` is writable; `error` is null or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_chat_render(
    chat_template: *const TrebleTokChatTemplate,
    context: *const u8,
    context_len: usize,
    text: *mut TrebleTokBytes,
    error: *mut TrebleTokBytes,
) -> TrebleTokStatus {
    let work = || {
        // SAFETY: the caller's promise.
        let (slot, handle) =
            unsafe { (out(text, "text")?, shared(chat_template, "chat_template")?) };
        *slot = TrebleTokBytes::empty();
        // SAFETY: the caller's promise.
        let context = unsafe { borrow_text(context, context_len, "the variables") }?;
        *slot = TrebleTokBytes::from_string(handle.render(context)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_status(error, work) }
}

/// Frees a handle; null is allowed. No other thread may be using it.
///
/// # Safety
/// `chat_template` is null or a handle that was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn treble_tok_chat_free(chat_template: *mut TrebleTokChatTemplate) {
    if !chat_template.is_null() {
        let _ = guarded(|| {
            // SAFETY: the caller's promise.
            drop(unsafe { Box::from_raw(chat_template) });
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(source: &str, context: serde_json::Value) -> Result<String, String> {
        TrebleTokChatTemplate::compile(source)
            .and_then(|template| template.render(&context.to_string()))
            .map_err(|failure| failure.message)
    }

    fn pair() -> serde_json::Value {
        json!({"messages": [{"role": "query", "content": "a < b & \"c\""},
                            {"role": "document", "content": " d\u{0}\n"}]})
    }

    /// Blocks take the line break behind them and the spaces before them along, and nothing is escaped.
    #[test]
    fn renders_as_transformers_sets_jinja_up() {
        let source = "{% for message in messages %}\n  {% if true %}\n[{{ message['role'] }}] {{ message.content }}\n  \
                      {% endif %}\n{% endfor %}\n";
        assert_eq!(
            render(source, pair()).unwrap(),
            "[query] a < b & \"c\"\n[document]  d\u{0}\n\n"
        );
    }

    #[test]
    fn knows_the_python_that_templates_use() {
        let source = "{{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first | trim }}\
                      {{ messages[0].content.split(' ')[1] }}{{ none }}{{ true }}{{ missing }}{{ messages | length }}\
                      {{ messages[0].get('x', 'y') }}{% set ns = namespace(n=1) %}{{ ns.n + 1 }}\
                      {% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% endfor %}";
        assert_eq!(
            render(source, pair()).unwrap(),
            "d\u{0}<NoneTrue2y2document"
        );
    }

    #[test]
    fn what_it_cannot_render_alike_is_an_error_that_says_why() {
        for (source, part) in [
            (
                "{{ raise_exception('no roles but user') }}",
                "no roles but user",
            ),
            ("{{ messages | tojson }}", "tojson"),
            ("{{ strftime_now('%Y') }}", "time of day"),
            ("{{ messages }}", "prints a sequence"),
            ("{{ 0.1 }}", "prints a number"),
            ("{{ missing.attribute }}", "undefined"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                "fuel",
            ),
            ("{% if %}", "line 1"),
            ("{% generation %}x{% endgeneration %}", "unknown statement"),
        ] {
            let message = render(source, pair()).unwrap_err();
            assert!(message.contains(part), "{source}: {message}");
        }
    }
}
