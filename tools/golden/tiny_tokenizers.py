"""Tiny tokenizers, made here, in the exact shape in which real models of each family carry theirs."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    CamembertTokenizer,
    DistilBertTokenizer,
    MPNetTokenizer,
    PreTrainedTokenizerBase,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from golden.texts import CORPUS

VOCAB_SIZE = 260
LONGEST_PIECE = 6
BYTE_LEVEL_VOCAB_SIZE = 290  # 256 bytes are in it whatever the corpus

# What SentencePiece calls a compiled character map: real XLM-R tokenizers carry one (of 300 kB). This one was compiled
# from nineteen rules of our own: ligatures, full-width letters and marks, fractions, composed accents, odd white space.
CHARACTER_MAP = zlib.decompress(
    base64.b64decode(
        "eNod03dsTWEYx/HfOYiU+ENEJEIi9qibEKNitzatVXuvS63ae5x7XZTWqtqrbqmWlmprt0Zrp/beV0uQ2HvzPfePz3mevOO8J+9zHhWWVEEKCJ"
        "CKFZEMycqTKVcJqRp5fEkeQSaLZKUyVpzo8ZiKZrwouXeqVIlYBmVhlTNlDZB4leVmfXmiq6n/CCu7teTmnELkMSywX10KiUekFJ+p0uQVOagK"
        "Kst/vqqiBqqjFmqiNgKx4IfkIG5nf5ZlKqGl5N0v1WesHhqiARohCI2xNlnic9QEzdEMbFMLhCAYfKZaoS3aoD3aoSM6IBSd0Blh6Iou6I5u6I"
        "Fw9EJP9EFv9ENfcD3qj0EYiCEYjGEYihEYjpFwIgKjMAajMc5eE2cqkjgeEzEBkzEJlERTMB3TMBMzMBuzMBdzMB/z4LKLa98n3FgIDxZjEZYg"
        "CtFYimWIwQosxyqsxGrEYg3isM6+b2zAemzCRmzBZmzDVrt+iEcCvNiJHdiFRFAyJWEPdiMVKdiHvaDkSkMG0nEAmTiEg+D30GEcw1FkIwsncB"
        "yncBK5yMEZnMY5nMUFnLfnMg1dJF5CHq7gMq7hKm7gOm7hJu7gNu7hLh7gPh7hIZ7gMZ7ChwLk4zme4QXeJRl6RXxpz0UZKvAZekP+2p7DW3zA"
        "e3zCR3zBZ3zDV9Am+o5f+Ik/+I1/+Ct//wfSSA6HQ3XyXZ66NEQwzRAWqfBQOSPkHKuctBDlJus/bOqn5Q=="
    )
)


def _substrings(words: Iterable[str], continuation: str) -> Counter[str]:
    """Count the pieces of every word; a piece that does not open its word is marked by `continuation`.

    The library's own WordPiece and Unigram trainers break ties in hash order, so two runs give two vocabularies.
    """
    counts: Counter[str] = Counter()
    for word in words:
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + LONGEST_PIECE) + 1):
                counts[(continuation if start else "") + word[start:end]] += 1
    return counts


def _choose(counts: Counter[str], room: int, continuation: str) -> list[str]:
    """Take every single character, then the pieces that save most characters; ties by name."""

    def length(piece: str) -> int:
        return len(piece.removeprefix(continuation))

    single = sorted(piece for piece in counts if length(piece) == 1)
    longer = [piece for piece in counts if length(piece) > 1]
    longer.sort(key=lambda piece: (-counts[piece] * (length(piece) - 1), piece))
    return (single + longer)[:room]


def _wordpiece_vocab(first: list[str], last: list[str]) -> dict[str, int]:
    """`first` takes the lowest ids and `last` the highest, as in the family's real vocabulary."""
    normalizer = normalizers.BertNormalizer(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer()
    words = [word for text in CORPUS for word, _ in split.pre_tokenize_str(normalizer.normalize_str(text))]
    pieces = _choose(_substrings(words, "##"), VOCAB_SIZE, "##")
    return {token: index for index, token in enumerate(first + pieces + last)}


def _byte_level_bpe() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Train byte-level BPE; the special ids are RoBERTa's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=BYTE_LEVEL_VOCAB_SIZE,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(model["vocab"])
    vocab["<mask>"] = len(vocab)
    return vocab, [tuple(merge) for merge in model["merges"]]


def _unigram_pieces(special: list[str]) -> list[tuple[str, float]]:
    """Pieces with the logarithm of their frequency; `special` takes the lowest ids, as with fairseq's vocabularies."""
    words = ["▁" + word for text in CORPUS for word in text.split()]
    counts = _substrings(words, "")
    chosen = _choose(counts, VOCAB_SIZE, "")
    total = sum(counts[piece] for piece in chosen)
    pieces = [(piece, round(math.log(counts[piece] / total), 4)) for piece in chosen]
    return [(token, 0.0) for token in special] + pieces


def bert(limit: int) -> PreTrainedTokenizerBase:
    """Uncased WordPiece with [CLS] and [SEP]."""
    vocab = _wordpiece_vocab(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], [])
    return BertTokenizer(vocab=vocab, model_max_length=limit)


def distilbert(limit: int) -> PreTrainedTokenizerBase:
    """The same as BERT's, without token types."""
    vocab = _wordpiece_vocab(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], [])
    return DistilBertTokenizer(vocab=vocab, model_max_length=limit)


def mpnet(limit: int) -> PreTrainedTokenizerBase:
    """WordPiece with RoBERTa's special tokens, except that the unknown token stays [UNK]."""
    vocab = _wordpiece_vocab(["<s>", "<pad>", "</s>", "[UNK]"], ["<mask>"])
    return MPNetTokenizer(vocab=vocab, model_max_length=limit)


def roberta(limit: int) -> PreTrainedTokenizerBase:
    """Byte-level BPE: white space and case count, nothing is ever unknown."""
    vocab, merges = _byte_level_bpe()
    return RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=limit)


def xlm_roberta(limit: int) -> PreTrainedTokenizerBase:
    """Unigram over Metaspace, after a compiled character map."""
    pieces = [*_unigram_pieces(["<s>", "<pad>", "</s>", "<unk>"]), ("<mask>", 0.0)]
    return XLMRobertaTokenizer(vocab=pieces, _spm_precompiled_charsmap=CHARACTER_MAP, model_max_length=limit)


def camembert(limit: int) -> PreTrainedTokenizerBase:
    """Unigram whose first ids are placeholders, with <s> and </s> at 5 and 6."""
    special = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"]
    pieces = [*_unigram_pieces(special), ("<mask>", 0.0)]
    return CamembertTokenizer(vocab=pieces, model_max_length=limit)


BUILDERS: dict[str, Callable[[int], PreTrainedTokenizerBase]] = {
    "bert": bert,
    "distilbert": distilbert,
    "mpnet": mpnet,
    "roberta": roberta,
    "xlm-roberta": xlm_roberta,
    "camembert": camembert,
}
