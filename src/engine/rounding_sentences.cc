#include "engine/rounding_sentences.h"

#include <array>

namespace treble::internal {

namespace {

constexpr std::array<std::string_view, 15> kRoundingSentences = {
    "The function returns a new list sorted in ascending order; pass reverse=True to sort from the largest item to the "
    "smallest one.",
    "If the file does not exist, it is created; otherwise its contents are truncated to zero bytes before anything is "
    "written.",
    "This method was deprecated in version 3.4 and will be removed; use the asynchronous variant instead, which "
    "accepts a timeout.",
    "int total = 0; for (const auto& item : items) { if (item.valid()) total += item.count(); } return total;",
    "The river rises in the western highlands, flows east through three provinces and enters the sea near the old port "
    "of the capital.",
    "The film is beautifully shot, but the plot drags in the second half and the ending feels like it belongs to "
    "another story.",
    "The battery died after two weeks and customer service never answered my messages, so I would not recommend this "
    "product.",
    "You may not copy, modify or distribute any part of the service unless we have given you our permission in "
    "writing.",
    "We propose a method that learns representations from unlabelled data and show that it outperforms earlier "
    "approaches on five benchmarks.",
    "The central bank raised interest rates by a quarter of a point on Thursday, citing stubborn inflation and a tight "
    "labour market.",
    "\"I don't believe you,\" he said at last, and turned to look at the ships lying at anchor in the bay.",
    "What is the difference between a virus and a bacterium, and why do antibiotics work against only one of them?",
    "Der Zug nach Hamburg fährt heute wegen Bauarbeiten von Gleis sieben ab und hat etwa zwanzig Minuten Verspätung.",
    "今天的会议改到下午三点,请大家提前十分钟到场。",
    "Поезд отправляется в семь часов утра и прибывает в Москву поздно вечером."};

}  // namespace

std::span<const std::string_view> rounding_sentences() { return kRoundingSentences; }

}  // namespace treble::internal
