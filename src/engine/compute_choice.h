// How `ComputeType::automatic` is decided.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/compute_isa.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {

/// What a faster type must keep on the samples.
inline constexpr double kMinSampleAgreement = 0.9995;
inline constexpr int kNumSamples = 12;

/// Types worth trying for models of that width, in the order in which they are tried: the first that is faithful is
/// taken. Decided by the kind of CPU, by measure (the table is in compute_choice.cc) and never by a clock, so that the
/// same machine always answers the same.
std::vector<ComputeType> fast_compute_types(CpuKind kind, std::int64_t hidden_size, bool bfloat16_is_native);
/// On this CPU.
std::vector<ComputeType> fast_compute_types(std::int64_t hidden_size);

/// Mean cosine between the two models' vectors of kNumSamples built-in texts of 4 to about 250 tokens.
double sample_cosine(const SentenceEncoder& exact, const SentenceEncoder& candidate);

/// Of models loaded for scores: the correlation between the two models' logits of kNumSamples pairs of these texts, of
/// the worst label. 1 where the logits of a label do not differ at all from pair to pair.
double sample_correlation(const SentenceEncoder& exact, const SentenceEncoder& candidate);

}  // namespace treble::internal
