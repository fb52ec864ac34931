"""Texts of the tiny models: a corpus to train their tokenizers on, and the cases every family must agree on."""

from __future__ import annotations

CORPUS: tuple[str, ...] = (
    "The ferry leaves the harbour at nine and comes back before the evening tide.",
    "A long letter from the lighthouse keeper tells of storms, whales and empty shelves.",
    "Measure twice, cut once: the carpenter repeats it to every apprentice.",
    "Numbers such as 3.14, 2024 and 1,000 are tokens too; so are e-mails like ann@example.org.",
    "She asked whether the reader's attention fades when the sentence goes on and on.",
    "Short texts stay apart, long texts draw together, and nobody notices until the search fails.",
    "Unbelievable, unreadable, rereading, reader, reading, reads, read.",
    "Café, naïve, façade, Zoë, piñata, Ångström, smörgåsbord, crème brûlée, Gospić.",
    "Le facteur arrive à midi et repart avec les lettres de l'été.",
    "Der Zug nach Köln fährt heute später, weil Schnee auf den Gleisen liegt.",
    "Корабль выходит из гавани утром и возвращается вечером.",
    "Маленькая лодка, большой ветер, длинный путь домой.",
    "今天天气很好,我们去海边散步。",
    "東京の図書館で古い地図を見つけました。",
    "Emoji 😀 🚀 🌊 and symbols → ≤ ½ © are part of everyday writing.",
    "if (count > 0) { return total / count; } else { raise ValueError('empty'); }",
)

_LONG = " ".join((*CORPUS[:2], CORPUS[8], CORPUS[10])) + " the end of the tail."

# Every case has its reason in the comment beside it; indices are part of the tensor names.
CASES: tuple[str, ...] = (
    "The reader's attention fades when the sentence goes on.",  # 0: an ordinary sentence
    "",  # 1: empty: special tokens only
    "a",  # 2: one token
    "ab\x00cd and a NUL inside",  # 3: byte lengths, never C strings
    "a [SEP] b </s> c <pad> d [PAD] e [MASK] <mask> f",  # 4: special tokens written as text
    "letter" * 33 + "xy",  # 5: one word of 200 letters
    "今天天气很好。東京の図書館",  # 6: CJK
    "Emoji 😀 🚀 and a family 👩‍👩‍👧 of joined ones",  # 7: emoji, some unknown, with joiners
    "CAFÉ Zoë façade Gospić cafe\u0301",  # 8: accents, composed and decomposed, capitals
    "Корабль ВЫХОДИТ из гавани",  # 9: Cyrillic, capitals
    _LONG,  # 10: over every family's limit
    "  leading, trailing and \t\n inner   white space  ",  # 11: white space
    "Ferry: 3.14 (2024) -- ann@example.org; e=½, x→y!",  # 12: punctuation and digits
)

# Layer tensors are kept for these only, so that the data stays small; pooled vectors exist for every text.
LAYER_TEXTS: dict[float, tuple[int, ...]] = {1.0: (0, 1, 4, 10), 0.5: (1, 10), 0.8: (6,), 1.2: (6,)}
LAYER_TEXTS_VARIANT: dict[float, tuple[int, ...]] = {1.0: (4,), 0.5: (6,)}
