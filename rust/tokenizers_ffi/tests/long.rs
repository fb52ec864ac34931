//! Work grows with the text, not with its square: each of these would take hours if it did. Nothing here is timed.

mod common;

use common::*;
use treble_tokenizers_ffi::TrebleTokStatus;

fn count(handle: &Handle, text: &str) -> usize {
    let encoded = encode(handle, text.as_bytes(), options(512, false)).expect("encodes");
    assert!(encoded.ids.len() <= 512);
    encoded.num_tokens
}

#[test]
fn ten_megabytes_of_one_character() {
    let characters = 10_000_000 / 3;
    let text = "漢".repeat(characters);
    assert_eq!(count(&load_value(&word_piece()), &text), characters + 2);
    assert_eq!(
        count(&load_value(&byte_level_bpe()), &text),
        3 * characters + 2
    );
    // A token of two reaches across every place of the word: as a whole it would take 4.5 GB.
    let refused = encode(
        &load_value(&unigram()),
        text.as_bytes(),
        options(512, false),
    );
    assert_eq!(refused.unwrap_err().0, TrebleTokStatus::OutOfMemory);
}

#[test]
fn four_megabytes_of_one_character_in_one_piece() {
    let characters = 4_000_000 / 3;
    let text = "漢".repeat(characters);
    // Pairs, the mark of a word's begin, a last single one, and two special tokens.
    assert_eq!(count(&load_value(&unigram()), &text), characters / 2 + 4);
}

#[test]
fn a_megabyte_of_letters_without_a_space() {
    let text = "ab".repeat(500_000);
    // One word of more than 100 characters is one unknown token.
    assert_eq!(count(&load_value(&word_piece()), &text), 3);
    assert_eq!(count(&load_value(&byte_level_bpe()), &text), 500_002);
    assert_eq!(count(&load_value(&unigram()), &text), 500_003);
}

#[test]
fn words_of_two_hundred_letters() {
    let text = ("a".repeat(200) + " ").repeat(5_000);
    assert_eq!(count(&load_value(&word_piece()), &text), 5_002);
    count(&load_value(&byte_level_bpe()), &text);
    count(&load_value(&unigram()), &text);
}

#[test]
fn a_megabyte_of_what_tokenizers_treat_apart() {
    for (_, json) in all_shapes() {
        let handle = load_value(&json);
        for piece in [
            "[SEP]", "</s>", " ", "\n", "!", "\0", "1", "\u{301}", "\u{200d}", "😀", "🇦",
        ] {
            let text = piece.repeat(1_000_000 / piece.len());
            let tokens = count(&handle, &text);
            assert!(tokens <= text.len() + 8, "{piece:?} {tokens}");
            count(&handle, &(text + "x"));
        }
    }
}

#[test]
fn many_lstripped_added_tokens() {
    let mut json = byte_level_bpe();
    for flag in ["lstrip", "rstrip", "single_word"] {
        json["added_tokens"][3][flag] = true.into();
    }
    let handle = load_value(&json);
    let text = " <unk> ".repeat(150_000);
    assert_eq!(count(&handle, &text), 150_002);
}
