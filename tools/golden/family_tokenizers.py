"""Tiny tokenizers of the families beyond BERT's circle, in the shape in which their real models carry them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertTokenizer,
    DebertaV2Tokenizer,
    GemmaTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    T5Tokenizer,
)

from golden import tiny_tokenizers
from golden.texts import CORPUS
from golden.tiny_tokenizers import CHARACTER_MAP

BYTE_LEVEL_SIZE = 290
FALLBACK_PIECES = 110  # besides the 256 byte tokens
LATIN = CORPUS[:7]  # what the byte-fallback vocabularies know; everything else becomes bytes
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

Vocabulary = tuple[dict[str, int], list[tuple[str, str]]]


def _byte_level(first: list[str], last: list[str]) -> Vocabulary:
    """Byte-level BPE; `first` and `last` hold the special tokens below and above the pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=BYTE_LEVEL_SIZE,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    vocab = {token: index for index, token in enumerate([*first, *pieces, *last])}
    return vocab, [tuple(merge) for merge in model["merges"]]


def _byte_fallback(special: list[str]) -> Vocabulary:
    """BPE over characters with the word mark, and a token for every byte, as SentencePiece makes them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator(LATIN, trainers.BpeTrainer(vocab_size=FALLBACK_PIECES, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    vocab = {token: index for index, token in enumerate([*special, *byte_tokens, *pieces])}
    return vocab, [tuple(merge) for merge in model["merges"]]


def _template(tokenizer: Tokenizer, before: Iterable[str], after: Iterable[str]) -> processors.TemplateProcessing:
    """Add special tokens around a text."""
    tokens = [*before, *after]
    return processors.TemplateProcessing(
        single=[*before, "$A", *after],
        pair=[*before, "$A", *after, *before, "$B:1", *after],
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in tokens],
    )


def t5(limit: int) -> PreTrainedTokenizerBase:
    """Unigram after a compiled character map; </s> follows the text; the sentinels take the highest ids."""
    sentinels = [("<extra_id_1>", 0.0), ("<extra_id_0>", 0.0)]
    vocab = [*tiny_tokenizers._unigram_pieces(["<pad>", "</s>", "<unk>"]), *sentinels]
    return T5Tokenizer(vocab=vocab, _spm_precompiled_charsmap=CHARACTER_MAP, extra_ids=2, model_max_length=limit)


def modernbert(limit: int) -> PreTrainedTokenizerBase:
    """Byte-level BPE with BERT's special tokens above the pieces."""
    last = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    vocab, merges = _byte_level([], last)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(last)
    tokenizer.post_processor = _template(tokenizer, ["[CLS]"], ["[SEP]"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        model_max_length=limit,
        model_input_names=["input_ids", "attention_mask"],
    )


def qwen(limit: int) -> PreTrainedTokenizerBase:
    """Byte-level BPE; the padding token also closes every text; padding goes to the left."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocab, merges = _byte_level([], special)
    tokenizer = Qwen2Tokenizer(
        vocab=vocab,
        merges=merges,
        eos_token="<|im_end|>",
        padding_side="left",
        model_max_length=limit,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    inner = tokenizer.backend_tokenizer
    closing = _template(inner, [], ["<|endoftext|>"])
    inner.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), closing])
    return tokenizer


def llama3(limit: int) -> PreTrainedTokenizerBase:
    """Byte-level BPE that takes whole words found in the vocabulary without merging; a text is framed by two tokens."""
    special = ["<|begin_of_text|>", "<|end_of_text|>"]
    vocab, merges = _byte_level([], special)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=True))
    split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    framing = _template(tokenizer, special[:1], special[1:])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), framing])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special[0],
        eos_token=special[1],
        pad_token=special[1],
        padding_side="left",
        model_max_length=limit,
    )


def mistral(limit: int) -> PreTrainedTokenizerBase:
    """BPE with byte fallback after a word mark put before the text; <s> and </s> frame it."""
    special = ["<unk>", "<s>", "</s>"]
    vocab, merges = _byte_fallback(special)
    model = models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = _template(tokenizer, ["<s>"], ["</s>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        padding_side="left",
        model_max_length=limit,
    )


def gemma(limit: int) -> PreTrainedTokenizerBase:
    """BPE with byte fallback over marked spaces; <bos> and <eos> frame a text, as EmbeddingGemma's tokenizer does."""
    vocab, merges = _byte_fallback(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    tokenizer = GemmaTokenizer(vocab=vocab, merges=merges, padding_side="right", model_max_length=limit)
    inner = tokenizer.backend_tokenizer
    inner.post_processor = _template(inner, ["<bos>"], ["<eos>"])
    return tokenizer


def albert(limit: int) -> PreTrainedTokenizerBase:
    """Unigram over lower-cased text without accents."""
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    return AlbertTokenizer(vocab=tiny_tokenizers._unigram_pieces(special), model_max_length=limit)


def deberta(limit: int) -> PreTrainedTokenizerBase:
    """Unigram with BERT's special tokens."""
    pieces = tiny_tokenizers._unigram_pieces(["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    return DebertaV2Tokenizer(vocab=[*pieces, ("[MASK]", 0.0)], unk_id=3, model_max_length=limit)
