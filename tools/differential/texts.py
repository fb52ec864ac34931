"""Texts of 1 to some 300 tokens, of every kind that tokenizers treat in a way of its own."""

from __future__ import annotations

import random

from golden.texts import CORPUS

WORDS = tuple(word for text in CORPUS[:8] for word in text.split())
FIXED = (
    "",
    "a",
    " ",
    "CAFÉ Zoë FAÇADE Gospić cafe\u0301 ÅNGSTRÖM Straße İstanbul",
    "a [SEP] b </s> c <pad> d [PAD] e [MASK] <mask> f <s> [CLS] <|endoftext|> <eos> <bos>g[UNK]h<unk>",
    "  leading, trailing and \t\n inner   white space  ",
    "今天天气很好,我们去海边散步。東京の図書館で古い地図",
    "Корабль ВЫХОДИТ из гавани утром",
    "Emoji 😀 🚀 and a family 👩‍👩‍👧 of joined ones",
    "Ferry: 3.14 (2024) -- ann@example.org; e=½, x→y! ﬁne ﬂour №5 \uff21\uff22",
    "letter" * 21 + " and " + "letter" * 33,
    "line one\nline two\r\n\n\nline three\u00a0with\u200bodd spaces",
    "newtoken NewToken xnewtokeny <special> x<special>y",
)
LONGEST = 150  # words: about 300 tokens of the tiny vocabularies


def words(random_numbers: random.Random, count: int) -> str:
    """Words of the corpus, some in capitals."""
    chosen = [random_numbers.choice(WORDS) for _ in range(count)]
    return " ".join(word.upper() if random_numbers.random() < 0.1 else word for word in chosen)


def draw(random_numbers: random.Random) -> tuple[str, ...]:
    """Six texts: a long one, one of middle length, a short one, and three of the fixed kinds."""
    lengths = (
        random_numbers.randint(LONGEST // 2, LONGEST),
        random_numbers.randint(10, 60),
        random_numbers.randint(1, 9),
    )
    return (*(words(random_numbers, length) for length in lengths), *random_numbers.sample(FIXED, 3))


def standard(every_kind: bool) -> tuple[str, ...]:
    """What the self-test uses: enough for the switches of a model, or every kind for those of a tokenizer."""
    random_numbers = random.Random(7)
    few = (words(random_numbers, 90), words(random_numbers, 25), FIXED[3], FIXED[0])
    return (*few, *FIXED) if every_kind else few


def stored(tokenizer: bool) -> tuple[str, ...]:
    """Four texts for a stored case of one option: a model's windows and positions, or a tokenizer's rules."""
    long = words(random.Random(7), 90)
    return (long, FIXED[3], FIXED[6], FIXED[-1]) if tokenizer else (long, FIXED[3], FIXED[0], FIXED[9])
