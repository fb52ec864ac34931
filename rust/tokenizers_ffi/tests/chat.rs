//! Chat templates against transformers' own rendering: `tools/make_golden.py tokenizers`.

mod common;

use common::*;
use serde_json::{Value, json};
use std::ptr::null_mut;
use treble_tokenizers_ffi::*;

struct Template(*mut TrebleTokChatTemplate);

impl Drop for Template {
    fn drop(&mut self) {
        // SAFETY: made by `compile`, freed once.
        unsafe { treble_tok_chat_free(self.0) };
    }
}

fn compile(source: &str) -> Outcome<Template> {
    let (mut handle, mut error) = (null_mut(), no_bytes());
    // SAFETY: all pointers are to live values.
    let status =
        unsafe { treble_tok_chat_compile(source.as_ptr(), source.len(), &mut handle, &mut error) };
    let message = take(error);
    assert_eq!(handle.is_null(), status != TrebleTokStatus::Ok);
    if status == TrebleTokStatus::Ok {
        Ok(Template(handle))
    } else {
        assert!(!message.is_empty());
        Err((status, message))
    }
}

fn render(source: &str, variables: &Value) -> Outcome<String> {
    let template = compile(source)?;
    let context = variables.to_string();
    let (mut text, mut error) = (no_bytes(), no_bytes());
    // SAFETY: all pointers are to live values.
    let status = unsafe {
        treble_tok_chat_render(
            template.0,
            context.as_ptr(),
            context.len(),
            &mut text,
            &mut error,
        )
    };
    let (text, message) = (take(text), take(error));
    if status == TrebleTokStatus::Ok {
        Ok(text)
    } else {
        assert!(!message.is_empty());
        Err((status, message))
    }
}

/// What is not rendered alike must not be rendered: these may be refused where Jinja gives a text.
const MAY_BE_REFUSED: [&str; 3] = ["tojson", "{{ messages }}", "{{ 0.1 + 0.2 }}"];

#[test]
fn texts_are_those_of_transformers_or_errors() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/chat_templates.json"
    );
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("golden")).expect("JSON");
    let mut wrong = Vec::new();
    for case in golden["cases"].as_array().expect("cases") {
        let source = case["template"].as_str().expect("a template");
        let texts = case["rendered"].as_array().expect("texts");
        for (messages, expected) in golden["conversations"]
            .as_array()
            .expect("all")
            .iter()
            .zip(texts)
        {
            let mut variables = golden["variables"].clone();
            for (name, value) in [
                ("messages", messages.clone()),
                ("tools", json!(null)),
                ("documents", json!(null)),
            ] {
                variables[name] = value;
            }
            let found = render(source, &variables);
            let refused = MAY_BE_REFUSED.iter().any(|part| source.contains(part));
            let right = match (&found, expected.as_str()) {
                (Ok(text), Some(expected)) => text == expected,
                (Err(_), None) => true,
                (Err(_), Some(_)) => refused,
                (Ok(_), None) => false,
            };
            if !right {
                wrong.push(format!(
                    "{source}\n  expected {expected}\n  found {found:?}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn mistakes_are_named_and_null_is_an_argument_error() {
    let (status, message) = compile("{% if %}").err().expect("no template");
    assert_eq!(status, TrebleTokStatus::InvalidSettings);
    assert!(message.contains("line 1"), "{message}");
    // SAFETY: a null handle is what is tried.
    let status = unsafe {
        treble_tok_chat_render(
            std::ptr::null(),
            b"{}".as_ptr(),
            2,
            &mut no_bytes(),
            null_mut(),
        )
    };
    assert_eq!(status, TrebleTokStatus::InvalidArgument);
    let (status, _) = render("x", &json!([1]))
        .err()
        .unwrap_or((TrebleTokStatus::Ok, String::new()));
    assert_eq!(status, TrebleTokStatus::Ok);
}
