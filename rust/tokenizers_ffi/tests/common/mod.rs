//! The C ABI as a caller sees it, in Rust clothes, and three tiny tokenizers.
#![allow(dead_code)] // each test program uses a part

use serde_json::{Value, json};
use std::ptr::null_mut;
use treble_tokenizers_ffi::*;

pub struct Handle(pub *mut TrebleTokTokenizer);

// SAFETY: the ABI promises that a handle may be used by any number of threads.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by `load`, freed once.
        unsafe { treble_tok_free(self.0) };
    }
}

#[derive(Debug, PartialEq)]
pub struct Encoded {
    pub ids: Vec<u32>,
    pub num_tokens: usize,
    pub special: Vec<u8>,
    pub spans: Vec<TrebleTokSpan>,
    pub tokens: Vec<String>,
}

pub type Outcome<T> = Result<T, (TrebleTokStatus, String)>;

pub fn no_bytes() -> TrebleTokBytes {
    TrebleTokBytes {
        data: null_mut(),
        len: 0,
    }
}

pub fn take(bytes: TrebleTokBytes) -> String {
    if bytes.data.is_null() {
        return String::new();
    }
    // SAFETY: returned by the library just now.
    let text = unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }.to_vec();
    // SAFETY: freed once.
    unsafe { treble_tok_bytes_free(bytes) };
    String::from_utf8(text).expect("messages are UTF-8")
}

pub fn load(json: &[u8], special_tokens_as_text: bool) -> Outcome<Handle> {
    load_with(
        json,
        TrebleTokLoadOptions {
            special_tokens_as_text,
            lowercase: false,
        },
    )
}

pub fn load_with(json: &[u8], options: TrebleTokLoadOptions) -> Outcome<Handle> {
    let (mut handle, mut error) = (null_mut(), no_bytes());
    // SAFETY: all pointers are to live values.
    let status = unsafe {
        treble_tok_from_bytes(
            json.as_ptr(),
            json.len(),
            std::ptr::null(),
            &options,
            &mut handle,
            &mut error,
        )
    };
    let message = take(error);
    assert_eq!(handle.is_null(), status != TrebleTokStatus::Ok);
    if status == TrebleTokStatus::Ok {
        Ok(Handle(handle))
    } else {
        assert!(!message.is_empty());
        Err((status, message))
    }
}

pub fn load_value(json: &Value) -> Handle {
    load(json.to_string().as_bytes(), false).expect("a valid tokenizer")
}

pub fn options(max_length: usize, cut_at_start: bool) -> TrebleTokEncodeOptions {
    TrebleTokEncodeOptions {
        max_length,
        cut_at_start,
        add_special_tokens: true,
        with_details: false,
        window_bytes: 0,
    }
}

/// # Safety
/// `pointer` points to `len` values, or is null.
unsafe fn vec_of<T: Copy>(pointer: *const T, len: usize) -> Vec<T> {
    if pointer.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(pointer, len) }.to_vec()
}

pub fn encode(handle: &Handle, text: &[u8], how: TrebleTokEncodeOptions) -> Outcome<Encoded> {
    let (mut raw, mut error) = (null_mut(), no_bytes());
    // SAFETY: all pointers are to live values.
    let status = unsafe {
        treble_tok_encode(
            handle.0,
            text.as_ptr(),
            text.len(),
            &how,
            &mut raw,
            &mut error,
        )
    };
    let message = take(error);
    assert_eq!(raw.is_null(), status != TrebleTokStatus::Ok);
    if status != TrebleTokStatus::Ok {
        assert!(!message.is_empty());
        return Err((status, message));
    }
    // SAFETY: a live encoding; its arrays have the lengths that it says.
    let encoded = unsafe {
        let view = &*raw;
        let ends = vec_of(view.token_ends, view.len);
        let bytes = vec_of(view.token_bytes, ends.last().copied().unwrap_or(0));
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let cut = |(begin, &end): (usize, &usize)| bytes[begin..end].to_vec();
        Encoded {
            ids: vec_of(view.ids, view.len),
            num_tokens: view.num_tokens,
            special: vec_of(view.special_mask, view.len),
            spans: vec_of(view.spans, view.len),
            tokens: begins
                .zip(&ends)
                .map(cut)
                .map(|token| String::from_utf8(token).expect("tokens are UTF-8"))
                .collect(),
        }
    };
    // SAFETY: freed once.
    unsafe { treble_tok_encoding_free(raw) };
    Ok(encoded)
}

/// Ids, types (empty: none) and the number of tokens of the whole pair.
pub type EncodedPair = (Vec<u32>, Vec<u32>, usize);

pub fn encode_pair(
    handle: &Handle,
    texts: (&str, &str),
    how: TrebleTokEncodeOptions,
) -> Outcome<EncodedPair> {
    let (mut raw, mut error) = (null_mut(), no_bytes());
    // SAFETY: all pointers are to live values.
    let status = unsafe {
        treble_tok_encode_pair(
            handle.0,
            texts.0.as_ptr(),
            texts.0.len(),
            texts.1.as_ptr(),
            texts.1.len(),
            &how,
            &mut raw,
            &mut error,
        )
    };
    let message = take(error);
    assert_eq!(raw.is_null(), status != TrebleTokStatus::Ok);
    if status != TrebleTokStatus::Ok {
        assert!(!message.is_empty());
        return Err((status, message));
    }
    // SAFETY: a live encoding; its arrays have the lengths that it says.
    let encoded = unsafe {
        let view = &*raw;
        (
            vec_of(view.ids, view.len),
            vec_of(view.type_ids, view.len),
            view.num_tokens,
        )
    };
    // SAFETY: freed once.
    unsafe { treble_tok_encoding_free(raw) };
    Ok(encoded)
}

/// The same tokenizer with a template of pairs that has special tokens.
pub fn with_pair_template(mut json: Value) -> Value {
    let processor = &mut json["post_processor"];
    if processor["type"] == "TemplateProcessing" {
        let (before, after) = (
            processor["single"][0].clone(),
            processor["single"][2].clone(),
        );
        let mut last = after.clone();
        last["SpecialToken"]["type_id"] = json!(1);
        processor["pair"] = json!([before, {"Sequence": {"id": "A", "type_id": 0}}, after,
                                   {"Sequence": {"id": "B", "type_id": 1}}, last]);
    }
    json
}

pub fn ids(handle: &Handle, text: &str) -> Vec<u32> {
    encode(handle, text.as_bytes(), options(0, false))
        .expect("encodes")
        .ids
}

fn special(id: u32, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false, "special": true})
}

fn template(before: (&str, u32), after: (&str, u32)) -> Value {
    let piece = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let entry = |(name, id): (&str, u32)| json!({"id": name, "ids": [id], "tokens": [name]});
    json!({"type": "TemplateProcessing",
           "single": [piece(before.0), {"Sequence": {"id": "A", "type_id": 0}}, piece(after.0)],
           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
           "special_tokens": {before.0: entry(before), after.0: entry(after)}})
}

/// BERT's shape, with stored truncation and padding that must not matter.
pub fn word_piece() -> Value {
    let vocab = json!({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5, "##a": 6, "##b": 7, "[": 8,
                       "]": 9, "sep": 10, "漢": 11, "é": 12, "c": 13});
    json!({"version": "1.0",
           "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
           "padding": {"strategy": {"Fixed": 7}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                       "pad_type_id": 0, "pad_token": "[PAD]"},
           "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
           "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                          "strip_accents": false, "lowercase": true},
           "pre_tokenizer": {"type": "BertPreTokenizer"},
           "post_processor": template(("[CLS]", 2), ("[SEP]", 3)),
           "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
           "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                     "max_input_chars_per_word": 100, "vocab": vocab}})
}

/// RoBERTa's shape.
pub fn byte_level_bpe() -> Value {
    let mut vocab = serde_json::Map::new();
    for token in ["<s>", "<pad>", "</s>", "<unk>"] {
        vocab.insert(token.into(), json!(vocab.len()));
    }
    let alphabet = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
    let mut alphabet: Vec<char> = alphabet.into_iter().collect();
    alphabet.sort_unstable();
    for character in alphabet {
        vocab.insert(character.to_string(), json!(vocab.len()));
    }
    for token in ["aa", "aaaa", "ab", "Ġa"] {
        vocab.insert(token.into(), json!(vocab.len()));
    }
    json!({"version": "1.0", "truncation": null, "padding": null,
           "added_tokens": [special(0, "<s>"), special(1, "<pad>"), special(2, "</s>"), special(3, "<unk>")],
           "normalizer": null,
           "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
           "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
                              "trim_offsets": true, "add_prefix_space": false},
           "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
           "model": {"type": "BPE", "dropout": 0.5, "unk_token": null, "continuing_subword_prefix": null,
                     "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                     "vocab": vocab, "merges": [["a", "a"], ["aa", "aa"], ["a", "b"], ["Ġ", "a"]]}})
}

/// XLM-R's shape.
pub fn unigram() -> Value {
    let vocab = json!([
        ["<s>", 0.0],
        ["<pad>", 0.0],
        ["</s>", 0.0],
        ["<unk>", 0.0],
        ["▁", -2.0],
        ["a", -2.5],
        ["▁a", -2.2],
        ["ab", -3.0],
        ["b", -3.5],
        ["漢", -6.0],
        ["漢漢", -7.0]
    ]);
    json!({"version": "1.0", "truncation": null, "padding": null,
           "added_tokens": [special(0, "<s>"), special(1, "<pad>"), special(2, "</s>"), special(3, "<unk>")],
           "normalizer": {"type": "NFKC"},
           "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
           "post_processor": template(("<s>", 0), ("</s>", 2)),
           "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
           "model": {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": false}})
}

pub fn all_shapes() -> [(&'static str, Value); 3] {
    [
        ("WordPiece", word_piece()),
        ("BPE", byte_level_bpe()),
        ("Unigram", unigram()),
    ]
}
