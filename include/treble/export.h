// What libtreble.so exports. Everything else in it is hidden, and internal to Treble.
#pragma once

/// Marks a public function, or a class whose type information must be shared across the library's boundary (exceptions,
/// observers). Of a class with a private implementation (Impl), the members are marked instead: a mark on the class
/// would export the members of Impl too.
#define TREBLE_API __attribute__((visibility("default")))
