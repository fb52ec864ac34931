//! What encoding promises, against hand-made numbers and against the `tokenizers` crate itself.

mod common;

use common::*;
use serde_json::json;
use tokenizers::{
    PostProcessor, Tokenizer, TruncationDirection, TruncationParams, truncate_encodings,
};
use treble_tokenizers_ffi::*;

const TEXTS: [&str; 12] = [
    "",
    " ",
    "a",
    "ab ba aab",
    "[SEP] a </s> b <s>",
    "漢漢字 漢",
    "a\0b",
    "aaaa bbbb aaaaaaaa abababab",
    "é É e\u{301} ﬁ ½",
    "😀 👨‍👩‍👧 \u{200d}",
    "a, b. [c] (a)",
    "\u{feff}a\r\n\tb\u{a0}b\u{3000}",
];

fn side(at_start: bool) -> TruncationDirection {
    if at_start {
        TruncationDirection::Left
    } else {
        TruncationDirection::Right
    }
}

/// The crate with the file's padding and dropout gone, as `transformers` sets it before every call.
fn reference(json: &serde_json::Value, truncation: Option<(usize, bool)>) -> Tokenizer {
    let mut json = json.clone();
    json["model"]
        .as_object_mut()
        .expect("a model")
        .remove("dropout");
    let mut tokenizer: Tokenizer = serde_json::from_value(json).expect("a valid tokenizer");
    tokenizer.with_padding(None);
    let params = truncation.map(|(max_length, at_start)| TruncationParams {
        max_length,
        direction: side(at_start),
        ..TruncationParams::default()
    });
    tokenizer.with_truncation(params).expect("valid truncation");
    tokenizer
}

#[test]
fn truncation_equals_that_of_the_crate_for_every_limit_and_side() {
    for (name, json) in all_shapes() {
        let handle = load_value(&json);
        for text in TEXTS {
            let whole = ids(&handle, text);
            for (limit, at_start) in (3..24).flat_map(|limit| [(limit, false), (limit, true)]) {
                let expected = reference(&json, Some((limit, at_start))).encode(text, true);
                let actual = encode(&handle, text.as_bytes(), options(limit, at_start)).unwrap();
                let place = format!("{name} {text:?} limit {limit} at_start {at_start}");
                assert_eq!(actual.ids, expected.unwrap().get_ids(), "{place}");
                assert_eq!(actual.num_tokens, whole.len(), "{place}");
            }
        }
    }
}

#[test]
fn pairs_equal_those_of_the_crate_for_every_limit_and_side() {
    for (name, json) in all_shapes() {
        let json = with_pair_template(json);
        let (handle, whole) = (load_value(&json), reference(&json, None));
        let processor = whole.get_post_processor().expect("a template");
        let num_special = processor.added_tokens(true);
        for texts in TEXTS
            .iter()
            .flat_map(|first| TEXTS.map(|second| (*first, second)))
        {
            let all = whole.encode(texts, true).unwrap().len();
            for (limit, at_start) in (5..24).flat_map(|limit| [(limit, false), (limit, true)]) {
                let params = TruncationParams {
                    max_length: limit - num_special,
                    direction: side(at_start),
                    ..TruncationParams::default()
                };
                // Not `encode` with a truncation: this version of the crate stops tokenizing at the limit and then takes
                // the wrong text for the longer one.
                let mut second = whole.encode(texts.1, false).unwrap();
                second.set_type_ids(vec![1; second.len()]);
                let first = whole.encode(texts.0, false).unwrap();
                let (first, second) = truncate_encodings(first, Some(second), &params).unwrap();
                let expected = processor.process(first, second, true).unwrap();
                // A window as small as that is used for these short texts too.
                for window_bytes in [0, 2] {
                    let how = TrebleTokEncodeOptions {
                        window_bytes,
                        ..options(limit, at_start)
                    };
                    let (ids, types, num_tokens) = encode_pair(&handle, texts, how).unwrap();
                    let place = format!(
                        "{name} {texts:?} limit {limit} at_start {at_start} window {window_bytes}"
                    );
                    assert_eq!(ids, expected.get_ids(), "{place}");
                    assert_eq!(types, expected.get_type_ids(), "{place}");
                    assert_eq!(num_tokens, all, "{place}");
                }
            }
        }
    }
}

#[test]
fn a_limit_without_room_for_a_pair_says_what_it_needs() {
    let handle = load_value(&with_pair_template(word_piece()));
    let (status, message) = encode_pair(&handle, ("a", "b"), options(3, false)).unwrap_err();
    assert_eq!(status, TrebleTokStatus::InvalidArgument);
    assert!(message.contains("must be at least 4"), "{message}");
}

#[test]
fn a_damaged_template_of_pairs_harms_pairs_alone() {
    let mut json = word_piece();
    let pair = json!([{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                      {"Sequence": {"id": "B", "type_id": 1}}]);
    json["post_processor"]["pair"] = pair;
    json["post_processor"]["special_tokens"]["[SEP]"] =
        json!({"id": "[SEP]", "ids": [3, 3], "tokens": ["[SEP]"]});
    match load(json.to_string().as_bytes(), false) {
        Err((status, _)) => assert_eq!(status, TrebleTokStatus::InvalidTokenizer),
        Ok(handle) => assert!(encode_pair(&handle, ("a", "b"), options(0, false)).is_err()),
    }
}

#[test]
fn details_equal_those_of_the_crate() {
    for (name, json) in all_shapes() {
        let (handle, reference) = (load_value(&json), reference(&json, None));
        for text in TEXTS {
            let how = TrebleTokEncodeOptions {
                with_details: true,
                ..options(0, false)
            };
            let actual = encode(&handle, text.as_bytes(), how).unwrap();
            let bytes = reference.encode(text, true).unwrap();
            let chars = reference.encode_char_offsets(text, true).unwrap();
            assert_eq!(actual.ids, bytes.get_ids(), "{name} {text:?}");
            assert_eq!(actual.tokens, bytes.get_tokens(), "{name} {text:?}");
            let mask: Vec<u32> = actual.special.iter().map(|&bit| bit.into()).collect();
            assert_eq!(mask, bytes.get_special_tokens_mask(), "{name} {text:?}");
            for (i, span) in actual.spans.iter().enumerate() {
                let place = format!("{name} {text:?} token {i}");
                assert_eq!(
                    (span.byte_begin, span.byte_end),
                    bytes.get_offsets()[i],
                    "{place}"
                );
                assert_eq!(
                    (span.char_begin, span.char_end),
                    chars.get_offsets()[i],
                    "{place}"
                );
            }
        }
    }
}

#[test]
fn stored_padding_and_truncation_are_ignored() {
    let handle = load_value(&word_piece());
    assert_eq!(ids(&handle, "a"), [2, 4, 3]);
    assert_eq!(ids(&handle, "a b a b a b"), [2, 4, 5, 4, 5, 4, 5, 3]);
}

#[test]
fn stored_dropout_is_ignored() {
    let handle = load_value(&byte_level_bpe());
    let first = ids(&handle, "aaaaaaaaaaaaaaaa");
    assert_eq!(first.len(), 6);
    for _ in 0..50 {
        assert_eq!(ids(&handle, "aaaaaaaaaaaaaaaa"), first);
    }
}

#[test]
fn literal_special_tokens_follow_the_switch() {
    let json = word_piece().to_string();
    let as_special = load(json.as_bytes(), false).unwrap();
    let as_text = load(json.as_bytes(), true).unwrap();
    assert_eq!(ids(&as_special, "a [SEP] b"), [2, 4, 3, 5, 3]);
    assert_eq!(ids(&as_text, "a [SEP] b"), [2, 4, 8, 10, 9, 5, 3]);
}

#[test]
fn a_literal_special_token_is_content_for_mask_and_truncation() {
    let handle = load_value(&word_piece());
    let how = TrebleTokEncodeOptions {
        with_details: true,
        ..options(4, true)
    };
    let encoded = encode(&handle, b"a [SEP] b", how).unwrap();
    assert_eq!(encoded.ids, [2, 3, 5, 3]);
    assert_eq!(encoded.special, [1, 0, 0, 1]);
    assert_eq!(encoded.num_tokens, 5);
}

#[test]
fn without_special_tokens_the_whole_limit_is_for_the_text() {
    let handle = load_value(&word_piece());
    let how = TrebleTokEncodeOptions {
        add_special_tokens: false,
        ..options(2, false)
    };
    let encoded = encode(&handle, b"a b a", how).unwrap();
    assert_eq!((encoded.ids, encoded.num_tokens), (vec![4, 5], 3));
    let empty = encode(&handle, b"", how).unwrap();
    assert_eq!((empty.ids, empty.num_tokens), (vec![], 0));
}

#[test]
fn a_limit_without_room_is_an_error_that_names_the_least_one() {
    let handle = load_value(&word_piece());
    for limit in [1, 2] {
        let (status, message) = encode(&handle, b"a", options(limit, false)).unwrap_err();
        assert_eq!(status, TrebleTokStatus::InvalidArgument);
        assert!(message.contains("at least 3"), "{message}");
    }
    assert!(encode(&handle, b"a", options(3, false)).is_ok());
}

#[test]
fn invalid_utf8_names_the_first_bad_byte() {
    let handle = load_value(&word_piece());
    let cases: [(&[u8], &str); 6] = [
        (b"ab\xff", "0xFF at offset 2 of 3"),
        (b"\xed\xa0\x80", "0xED at offset 0 of 3"), // a lone surrogate
        (b"a\xc3", "0xC3 at offset 1 of 2"),        // cut short
        (b"a\xc0\x80", "0xC0 at offset 1 of 3"),    // overlong NUL
        (b"\xf4\x90\x80\x80", "0xF4 at offset 0 of 4"), // beyond U+10FFFF
        (b"\x80", "0x80 at offset 0 of 1"),
    ];
    for (text, expected) in cases {
        let (status, message) = encode(&handle, text, options(0, false)).unwrap_err();
        assert_eq!(status, TrebleTokStatus::InvalidUtf8);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn vocabulary_and_decode() {
    let handle = load_value(&word_piece());
    let (mut id, mut token) = (0, no_bytes());
    // SAFETY: all pointers are to live values.
    unsafe {
        assert_eq!(treble_tok_vocab_size(handle.0), 14);
        assert_eq!(treble_tok_max_token_id(handle.0), 13);
        assert_eq!(treble_tok_num_special_tokens(handle.0), 2);
        assert!(treble_tok_is_special(handle.0, 3) && !treble_tok_is_special(handle.0, 4));
        assert!(treble_tok_token_to_id(
            handle.0,
            b"##b".as_ptr(),
            3,
            &mut id
        ));
        assert_eq!(id, 7);
        assert!(!treble_tok_token_to_id(
            handle.0,
            b"zz".as_ptr(),
            2,
            &mut id
        ));
        assert!(treble_tok_id_to_token(handle.0, 7, &mut token));
        assert_eq!(take(token), "##b");
        token = no_bytes();
        assert!(!treble_tok_id_to_token(handle.0, 999, &mut token));
        let (mut text, mut error) = (no_bytes(), no_bytes());
        let ids = [2, 4, 7, 999, 5, 3];
        let status = treble_tok_decode(handle.0, ids.as_ptr(), 6, true, &mut text, &mut error);
        assert_eq!(
            (status, take(text)),
            (TrebleTokStatus::Ok, "ab b".to_owned())
        );
    }
}

#[test]
fn one_handle_serves_many_threads() {
    for (name, json) in all_shapes() {
        let handle = load_value(&json);
        let expected: Vec<_> = TEXTS.iter().map(|text| ids(&handle, text)).collect();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        for (text, expected) in TEXTS.iter().zip(&expected) {
                            assert_eq!(&ids(&handle, text), expected, "{name}");
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn the_version_told_is_the_one_in_use() {
    // SAFETY: NUL-terminated and alive for ever.
    let stated = unsafe { std::ffi::CStr::from_ptr(treble_tok_crate_version()) };
    let lock = include_str!("../Cargo.lock");
    let entry = format!(
        "name = \"tokenizers\"\nversion = {:?}",
        stated.to_str().unwrap()
    );
    assert!(lock.contains(&entry), "Cargo.lock has no {entry}");
}
