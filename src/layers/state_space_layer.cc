#include "layers/state_space_layer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>

#include "kernels/activation_ops.h"
#include "layers/kept_rows.h"
#include "layers/state_window.h"

namespace treble::internal {

namespace {

/// A thread gets at least that many rows of cheap work.
constexpr std::int64_t kMinGatedRows = 16;

MatrixView rows_in(AlignedBuffer<float>& buffer, std::int64_t rows, std::int64_t cols) {
  return {buffer.ensure(static_cast<std::size_t>(rows * cols)), rows, cols};
}

/// Hands the states of one scan to the observer of the pass.
class StateRelay final : public ScanObserver {
 public:
  /// `first` is the batch's number of the scan's first sequence; `before` are tokens of the call before the scan's
  /// first one; `window` is of its only sequence, or null.
  StateRelay(const LayerCall& call, std::int64_t layer, const ScanInputs& scan, std::int64_t first, std::int64_t before,
             const StateWindow* window)
      : call_(call),
        layer_(layer),
        scan_(scan),
        first_(first),
        before_(before + (call.carried == nullptr ? 0 : call.carried->tokens)),
        window_(window),
        seen_((scan.offsets.size() - 1) * static_cast<std::size_t>(scan.num_heads)),
        sums_(seen_.size()) {}

  void on_state(std::int64_t sequence, std::int64_t head, std::int64_t tokens, ConstMatrixView state) override {
    StateSample sample{.sequence = first_ + sequence, .head = head, .tokens = tokens, .state = state};
    sample.log_retention = log_retention(sequence, head, tokens);
    sample.tokens += before_;
    std::vector<float> windowed;
    if (window_ != nullptr) {
      windowed = window_->state(head, tokens);
      sample.state = ConstMatrixView(windowed.data(), state.rows, state.cols);
      const auto window = call_.state_control_of(sample.sequence).window();
      if (sample.tokens > window.value_or(0)) sample.log_retention = -std::numeric_limits<double>::infinity();
    }
    call_.observer->on_state(layer_, sample);
  }

 private:
  /// A head's states are shown in the order of their tokens.
  double log_retention(std::int64_t sequence, std::int64_t head, std::int64_t tokens) {
    const auto at = static_cast<std::size_t>(sequence * scan_.num_heads + head);
    const std::int64_t begin = scan_.offsets[static_cast<std::size_t>(sequence)];
    const double a = scan_.a[static_cast<std::size_t>(head)];
    for (std::int64_t& token = seen_[at]; token < tokens; ++token) {
      // The first token's own step is how much of it is taken in, not how much is kept.
      const bool first = token == 0 && before_ == 0;
      if (!first) sums_[at] += a * scan_.step.row(begin + token)[head] + scan_.log_retain;
    }
    if (call_.carried == nullptr) return sums_[at];
    auto& earlier = call_.carried->layers[static_cast<std::size_t>(layer_)].log_retention;
    earlier.resize(static_cast<std::size_t>(scan_.num_heads));
    const double total = earlier[static_cast<std::size_t>(head)] + sums_[at];
    if (tokens == scan_.offsets.back()) earlier[static_cast<std::size_t>(head)] = total;
    return total;
  }

  const LayerCall& call_;
  std::int64_t layer_;
  const ScanInputs& scan_;
  std::int64_t first_;
  std::int64_t before_;  ///< tokens of the text before the scan
  const StateWindow* window_;
  std::vector<std::int64_t> seen_;  ///< [sequences, heads]: tokens
  std::vector<double> sums_;        ///< [sequences, heads]: of ln α
};

/// What a control asks of the scan of one layer.
struct ScanTerms {
  float log_retain = 0;
  float insert = 1;
  std::vector<float> max_norms = {};  ///< empty where no head has a limit

  bool operator==(const ScanTerms&) const = default;
};

ScanTerms terms_of(const StateControl& control, std::int64_t layer, std::int64_t num_heads) {
  if (control.is_identity()) return {};
  ScanTerms terms{static_cast<float>(std::log(control.retain())), static_cast<float>(control.insert())};
  for (std::int64_t head = 0; head < num_heads; ++head) {
    terms.max_norms.push_back(static_cast<float>(control.max_norm(layer, head)));
  }
  const auto& norms = terms.max_norms;
  if (std::all_of(norms.begin(), norms.end(), [](float norm) { return std::isinf(norm); })) terms.max_norms.clear();
  return terms;
}

LayerState* carried_state(const LayerCall& call, std::int64_t layer) {
  return call.carried == nullptr ? nullptr : &call.carried->layers[static_cast<std::size_t>(layer)];
}

/// Room for what is carried, zeros before the first token; nothing where nothing is carried.
std::span<float> carried_values(LayerState* state, std::vector<float> LayerState::* member, std::int64_t size) {
  if (state == nullptr) return {};
  (state->*member).resize(static_cast<std::size_t>(size));
  return state->*member;
}

/// The scan of one sequence whose states are shown after every token.
void scan_by_token(const LayerCall& call, std::int64_t layer, const ScanInputs& inputs, std::span<float> states,
                   MatrixView y) {
  constexpr std::array<std::int64_t, 2> kOneToken = {0, 1};
  ScanInputs one = inputs;
  one.offsets = kOneToken;
  for (std::int64_t token = 0; token < y.rows; ++token) {
    one.x = inputs.x.row_range(token, token + 1);
    one.b = inputs.b.row_range(token, token + 1);
    one.c = inputs.c.row_range(token, token + 1);
    one.step = inputs.step.row_range(token, token + 1);
    StateRelay relay(call, layer, one, 0, token, nullptr);
    selective_scan(call.execution, one, states, y.row_range(token, token + 1), &relay);
  }
}

/// The window of a sequence, where it is shorter than the text.
std::optional<std::int64_t> window_of(const LayerCall& call, std::int64_t sequence) {
  const auto window = call.state_control_of(sequence).window();
  if (!window) return std::nullopt;
  std::optional<std::int64_t> length = call.batch.length(sequence);
  if (call.carried != nullptr) length = call.carried->total_tokens;
  return length && *length <= *window ? std::nullopt : window;
}

}  // namespace

/// Consecutive sequences of a batch that one scan can take: under equal terms, and alone where there is a window.
struct StateSpaceLayer::Part {
  std::int64_t first = 0;  ///< sequence
  std::int64_t end = 0;    ///< behind the last
  ScanTerms terms = {};
  std::optional<std::int64_t> window = {};
};

std::vector<StateSpaceLayer::Part> StateSpaceLayer::parts(const LayerCall& call, std::int64_t layer) const {
  const std::int64_t count = call.batch.num_sequences();
  const std::int64_t heads = parts_.shape.num_heads;
  if (call.state_controls.size() == 1 && !call.state_controls.front().window()) {
    return {{0, count, terms_of(call.state_controls.front(), layer, heads)}};
  }
  std::vector<Part> parts;
  for (std::int64_t sequence = 0; sequence < count; ++sequence) {
    Part part{sequence, sequence + 1, terms_of(call.state_control_of(sequence), layer, heads),
              window_of(call, sequence)};
    if (!parts.empty() && !part.window && !parts.back().window && parts.back().terms == part.terms) {
      parts.back().end = part.end;
    } else {
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

MatrixView StateSpaceLayer::projected(const LayerCall& call) const {
  return rows_in(call.workspace.projected, call.batch.total_tokens(), parts_.shape.projected());
}

/// Leaves convolved x, B and C, and the steps in the workspace.
void StateSpaceLayer::prepare(const LayerCall& call, std::int64_t layer) const {
  const StateSpaceShape& shape = parts_.shape;
  const MatrixView all = projected(call);
  const std::int64_t width = shape.width();
  const std::int64_t channels = shape.channels();
  const auto history =
      carried_values(carried_state(call, layer), &LayerState::convolution, (shape.kernel - 1) * channels);
  causal_convolution(call.execution, {parts_.convolution, parts_.convolution_bias, shape.kernel}, call.batch.offsets,
                     history, all.col_range(width, width + channels),
                     rows_in(call.workspace.convolved, all.rows, channels));
  softplus(parts_.step_bias, shape.min_step, shape.max_step, all.col_range(width + channels, all.cols),
           rows_in(call.workspace.steps, all.rows, shape.num_heads));
}

void StateSpaceLayer::scan(const LayerCall& call, std::int64_t layer, const Part& part, MatrixView y) const {
  const StateSpaceShape& shape = parts_.shape;
  const auto begin = call.batch.offsets[static_cast<std::size_t>(part.first)];
  const auto end = call.batch.offsets[static_cast<std::size_t>(part.end)];
  std::vector<std::int64_t> offsets;
  for (std::int64_t sequence = part.first; sequence <= part.end; ++sequence) {
    offsets.push_back(call.batch.offsets[static_cast<std::size_t>(sequence)] - begin);
  }
  const std::int64_t tokens = call.batch.total_tokens();
  const ConstMatrixView channels = rows_in(call.workspace.convolved, tokens, shape.channels()).row_range(begin, end);
  const std::int64_t shared = shape.num_groups * shape.state_size;
  const ScanInputs inputs{.x = channels.col_range(0, shape.width()),
                          .b = channels.col_range(shape.width(), shape.width() + shared),
                          .c = channels.col_range(shape.width() + shared, channels.cols),
                          .step = rows_in(call.workspace.steps, tokens, shape.num_heads).row_range(begin, end),
                          .a = parts_.decay,
                          .d = parts_.skip,
                          .offsets = offsets,
                          .num_heads = shape.num_heads,
                          .num_groups = shape.num_groups,
                          .log_retain = part.terms.log_retain,
                          .insert = part.terms.insert,
                          .max_norms = part.terms.max_norms};
  LayerState* const state = carried_state(call, layer);
  std::optional<StateWindow> window;
  if (part.window) window.emplace(inputs, channels, *part.window, state);
  const MatrixView rows = y.row_range(begin, end);
  const std::span<float> states = carried_values(state, &LayerState::scan, inputs.state_values());
  if (call.observer != nullptr && call.observer->sees_every_token() && !states.empty() && !window) {
    scan_by_token(call, layer, inputs, states, rows);
    return;
  }
  StateRelay relay(call, layer, inputs, part.first, 0, window ? &*window : nullptr);
  selective_scan(call.execution, inputs, states, rows, call.observer == nullptr ? nullptr : &relay);
  if (window) window->subtract(call.execution, call.workspace.lagged, rows);
}

/// y ← gated norm of y · silu(z).
void StateSpaceLayer::gate(const LayerCall& call, ConstMatrixView z, MatrixView y) const {
  call.execution.for_ranges(y.rows, kMinGatedRows, [&](std::int64_t begin, std::int64_t end, int) {
    const MatrixView rows = y.row_range(begin, end);
    activate_gated(Activation::silu, z.row_range(begin, end), rows, rows);
  });
  std::int64_t first = 0;
  for (const Norm& norm : parts_.gated_norms) {
    const auto last = first + std::ssize(norm.gain);
    const MatrixView group = y.col_range(first, last);
    norm.run(call.execution, group, group);
    first = last;
  }
}

MatrixView StateSpaceLayer::run(const LayerCall& call, std::int64_t layer, MatrixView hidden,
                                std::span<const std::int64_t> kept) const {
  const MatrixView normed = rows_in(call.workspace.normed, hidden.rows, hidden.cols);
  parts_.norm.run(call.execution, hidden, normed);
  const MatrixView all = projected(call);
  parts_.input.run(call.execution, normed, all);
  prepare(call, layer);
  const MatrixView scanned = rows_in(call.workspace.scanned, hidden.rows, parts_.shape.width());
  for (const Part& part : parts(call, layer)) scan(call, layer, part, scanned);
  const MatrixView y = keep_rows(kept, scanned);
  gate(call, keep_rows(kept, all.col_range(0, parts_.shape.width())), y);
  const MatrixView rows = keep_rows(kept, hidden);
  parts_.output.run(call.execution, y, rows);
  return rows;
}

}  // namespace treble::internal
