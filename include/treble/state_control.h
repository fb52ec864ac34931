// Control of the state of state-space models (Mamba-2), training-free: what a temperature is for attention. On texts
// longer than those it was trained on, such a model keeps more in its state than it ever learned to forget, and the
// state's values grow ("state collapse"; Chen et al., "Stuffed Mamba", arXiv 2410.07145, section 4 on the remedies).
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"

namespace treble {

/// The largest Frobenius norm that the state of each head may have, and where the numbers come from.
struct StateNorms {
  std::vector<std::vector<double>> max_norms;  ///< [layer][head], each above 0
  std::string model;                           ///< its name; empty where nobody said
  std::string weights_sha256;                  ///< of its weights
  std::int64_t tokens = 0;                     ///< of each text that was measured
  std::int64_t texts = 0;                      ///< that were measured
  std::string treble_version;                  ///< that made it
};

/// Reads norms ("schema": "treble.state_norms/1"). Throws Error{not_found, io} for the file, Error{invalid_file} naming
/// file and key for what is wrong in it.
TREBLE_API StateNorms read_state_norms(const std::filesystem::path& path);

/// What its file holds. Throws Error{invalid_argument} when the table is empty, ragged, or has a number that is not
/// above 0.
TREBLE_API std::string to_json(const StateNorms& norms);

/// Whole or not at all (treble/whole_file.h). Throws what to_json throws, Error{io}.
TREBLE_API void write_state_norms(const std::filesystem::path& path, const StateNorms& norms);

/// How the states h_t = α_t h_{t−1} + Δ_t x_t ⊗ B_t of a model are held in bounds. Immutable, cheap to copy; may be
/// used from several threads.
///
///   written as     does
///   none           nothing: the model as trained
///   rri:A,B        retain and insert less: α_t ← A α_t, B_t ← B · B_t; 0 < A ≤ 1, 0 < B ≤ 1e6 (the paper: 0.9999,0.75)
///   window:R       the state holds the last R ≥ 1 tokens alone: h_t − (∏ α over the window) h_{t−R}
///   norm:P         after each step, a head's state of a larger Frobenius norm than P > 0 is scaled down to it
///   norm:FILE      likewise, with a P for each layer and head (treble calibrate --state-norms); FILE ends in .json
///
/// rri:1,1 and norm:inf are `none`, bit for bit, and window:R is for texts of up to R tokens.
class StateControl {
 public:
  /// The model as trained.
  StateControl() = default;

  /// Reads a written form. Throws Error{invalid_argument} with the forms that are understood; for a file what
  /// read_state_norms throws.
  TREBLE_API static StateControl parse(std::string_view text);

  /// Norms in memory; `name` stands for their file in the written form. Throws Error{invalid_argument} as to_json.
  TREBLE_API static StateControl from_norms(StateNorms norms, std::string name);

  /// True when nothing is changed, whatever the text.
  bool is_identity() const noexcept { return settings_ == nullptr; }

  /// A of rri, else 1.
  TREBLE_API double retain() const noexcept;
  /// B of rri, else 1.
  TREBLE_API double insert() const noexcept;
  /// R, if there is a window.
  TREBLE_API std::optional<std::int64_t> window() const noexcept;
  /// P of a head; infinity without one.
  TREBLE_API double max_norm(std::int64_t layer, std::int64_t head) const noexcept;

  /// Throws Error{invalid_argument} naming both sizes when the norms are for another number of layers or heads.
  TREBLE_API void check_fits(std::int64_t num_layers, std::int64_t num_heads) const;

  /// The written form that `parse` reads back: "rri:0.9999,0.75".
  TREBLE_API std::string to_string() const;

  /// What determines the result and nothing else: the written form, of a file "norms:" and the SHA-256 of its numbers.
  TREBLE_API std::string canonical() const;

 private:
  struct Settings;
  explicit StateControl(std::shared_ptr<const Settings> settings) : settings_(std::move(settings)) {}

  std::shared_ptr<const Settings> settings_;  ///< nullptr: the identity
};

}  // namespace treble
