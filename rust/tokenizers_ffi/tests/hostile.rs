//! Every way a tokenizer.json or a call can be wrong ends in a status and a message.

mod common;

use common::*;
use serde_json::{Value, json};
use std::ptr::{null, null_mut};
use treble_tokenizers_ffi::*;

/// Loads, and if that works encodes a little: either may fail, neither may crash.
fn survive(json: &[u8]) {
    if let Ok(handle) = load(json, false) {
        for text in ["", "a b", "[SEP] 漢 é\0", "zz zz"] {
            let how = TrebleTokEncodeOptions {
                with_details: true,
                ..options(4, true)
            };
            let _ = encode(&handle, text.as_bytes(), how);
        }
    }
}

fn load_error(json: &[u8]) -> String {
    let (status, message) = load(json, false).map(|_| ()).expect_err("must not load");
    assert!(
        matches!(
            status,
            TrebleTokStatus::InvalidTokenizer | TrebleTokStatus::Panic
        ),
        "{status:?} {message}"
    );
    message
}

#[test]
fn bytes_that_are_no_tokenizer() {
    load_error(b"");
    load_error(b"\xff\xfe\x00");
    load_error(b"not json");
    load_error(b"[]");
    load_error(b"null");
    load_error(b"{}");
    load_error(br#"{"version": "1.0"}"#);
    load_error(br#"{"version": "9.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}"#);
    load_error(br#"{"model": {"type": "Klingon", "vocab": {}}}"#);
    load_error(br#"{"model": {"type": "WordPiece", "vocab": [1, 2]}}"#);
    load_error(br#"{"model": {"type": "Unigram", "vocab": [["a", "b"]], "unk_id": 0}}"#);
    load_error(br#"{"model": {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 7}}"#);
    load_error(format!("{} x", word_piece()).as_bytes());
}

#[test]
fn every_prefix_of_a_good_file() {
    let json = unigram().to_string();
    for end in (0..json.len()).step_by(3) {
        load_error(&json.as_bytes()[..end]);
    }
}

#[test]
fn deep_nesting() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [200, 100_000] {
            let nested = open.repeat(depth) + "1" + &close.repeat(depth);
            load_error(nested.as_bytes());
            load_error(format!(r#"{{"normalizer": {nested}}}"#).as_bytes());
            load_error(format!(r#"{{"model": {nested}}}"#).as_bytes());
        }
    }
    let sequence = r#"{"type":"Sequence","normalizers":["#.repeat(10_000);
    load_error(format!(r#"{{"normalizer": {sequence}"#).as_bytes());
}

/// JSON pointers to everything inside `value`; of long lists and maps the first members.
fn pointers(value: &Value, prefix: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().take(20).map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => (0..list.len().min(6))
            .map(|index| (index.to_string(), &list[index]))
            .collect(),
        _ => return,
    };
    for (key, child) in children {
        let pointer = format!("{prefix}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

#[test]
fn every_member_replaced_by_something_wrong() {
    let wrong = [
        json!(null),
        json!(-1),
        json!(4_294_967_295_u32),
        json!(1e308),
        json!(""),
        json!("[CLS]"),
        json!([]),
        json!({}),
        json!([[null]]),
        json!({"type": "Sequence"}),
        json!({"String": "(("}),
        json!({"Regex": "(a*)*b"}),
    ];
    for (_, json) in all_shapes() {
        let mut found = Vec::new();
        pointers(&json, "", &mut found);
        for pointer in found {
            for replacement in &wrong {
                let mut damaged = json.clone();
                *damaged.pointer_mut(&pointer).expect("a path of ours") = replacement.clone();
                survive(damaged.to_string().as_bytes());
            }
        }
    }
}

#[test]
fn duplicated_entries() {
    survive(br#"{"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "", "max_input_chars_per_word": 9,
        "vocab": {"a": 0, "a": 1, "[UNK]": 1, "b": 1}}}"#);
    survive(br#"{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0], ["a", -1.0], ["", 1.0], ["zz", 0.0]]}}"#);
    survive(br#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0, "ab": 0}, "merges": [["a", "b"], ["a", "b"]]}}"#);
    let json = word_piece().to_string();
    survive(
        json.replacen('{', r#"{"model": 1, "version": "1.0","#, 1)
            .as_bytes(),
    );
}

#[test]
fn templates_that_do_not_add_up() {
    let mut json = word_piece();
    json["post_processor"]["special_tokens"] = json!({});
    load_error(json.to_string().as_bytes());
    let mut json = word_piece();
    json["post_processor"]["special_tokens"]["[CLS]"]["tokens"] = json!([]);
    load_error(json.to_string().as_bytes());
    let mut json = word_piece();
    json["post_processor"]["single"] = json!([{"SpecialToken": {"id": "[NO]", "type_id": 0}}]);
    load_error(json.to_string().as_bytes());
}

#[test]
fn merges_that_cut_a_character_leave_a_readable_message() {
    // The prefix is one byte shorter than the character in front: the merged token is no valid UTF-8.
    let json = json!({"model": {"type": "BPE", "continuing_subword_prefix": "x", "vocab": {"a": 0, "é": 1, "xx": 2},
                                "merges": [["a", "é"]]}});
    load_error(json.to_string().as_bytes());
}

#[test]
fn a_missing_unknown_token_fails_per_text_and_leaves_the_handle_usable() {
    let json = json!({"model": {"type": "Unigram", "unk_id": null, "vocab": [["a", 0.0]]}});
    let handle = load_value(&json);
    let (status, message) = encode(&handle, b"z", options(0, false)).unwrap_err();
    assert_eq!(status, TrebleTokStatus::Failed, "{message}");
    assert_eq!(ids(&handle, "a"), [0]);
}

#[test]
fn ids_at_the_end_of_the_range() {
    let mut json = word_piece();
    json["model"]["vocab"]["a"] = json!(u32::MAX);
    json["added_tokens"][0]["content"] = json!("[NEW]");
    survive(json.to_string().as_bytes());
    json["model"]["vocab"]["a"] = json!(u64::from(u32::MAX) + 1);
    load_error(json.to_string().as_bytes());
}

#[test]
fn null_pointers_are_errors() {
    let handle = load_value(&word_piece());
    let how = options(0, false);
    let load = TrebleTokLoadOptions::default();
    let (mut raw, mut made) = (null_mut(), null_mut());
    let bad = TrebleTokStatus::InvalidArgument;
    // SAFETY: null is what this test is about; all else points to live values.
    unsafe {
        let error = null_mut();
        assert_eq!(
            treble_tok_from_bytes(null(), 3, null(), &load, &mut made, error),
            bad
        );
        assert_eq!(
            treble_tok_from_bytes(b"{}".as_ptr(), 2, null(), &load, null_mut(), error),
            bad
        );
        assert_eq!(
            treble_tok_encode(null(), b"a".as_ptr(), 1, &how, &mut raw, error),
            bad
        );
        assert_eq!(
            treble_tok_encode(handle.0, null(), 1, &how, &mut raw, error),
            bad
        );
        assert_eq!(
            treble_tok_encode(handle.0, b"a".as_ptr(), 1, null(), &mut raw, error),
            bad
        );
        assert_eq!(
            treble_tok_encode(handle.0, b"a".as_ptr(), 1, &how, null_mut(), error),
            bad
        );
        assert_eq!(
            treble_tok_decode(handle.0, null(), 1, true, null_mut(), error),
            bad
        );
        assert_eq!(treble_tok_vocab_size(null()), 0);
        assert!(!treble_tok_token_to_id(null(), null(), 0, null_mut()));
        assert!(!treble_tok_id_to_token(handle.0, 0, null_mut()));
        treble_tok_free(null_mut());
        treble_tok_encoding_free(null_mut());
        treble_tok_bytes_free(no_bytes());
        // Null with length 0 is an empty text.
        assert_eq!(
            treble_tok_encode(handle.0, null(), 0, &how, &mut raw, error),
            TrebleTokStatus::Ok
        );
        treble_tok_encoding_free(raw);
    }
}
