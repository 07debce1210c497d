// Log-probabilities of the model's own distribution: temperature 1, nothing filtered.
//
// Natural logarithms of the float32 soft maximum. The sum over the vocabulary is exact in the
// masses of soft_maximum.h, so a row's result depends on its logits alone, not on the batch or the
// platform. Nothing is allocated; all functions are thread-safe.

#ifndef STRIDED_ENGINE_SAMPLING_LOG_PROBS_H_
#define STRIDED_ENGINE_SAMPLING_LOG_PROBS_H_

#include <cstdint>
#include <span>

namespace strided {

// Whether no logit is a NaN or an infinity. What the functions below return otherwise means
// nothing, but they do return.
bool AllFinite(std::span<const float> logits);

// log sum exp over a row of logits [vocab], 1 <= vocab <= 2^20; within 3e-7 of the real one.
double LogSumExp(std::span<const float> logits);

// The log-probability of `token`, rounded to float32 at the end; and, most likely first, the lower
// id first on ties, the top_ids.size() most likely ids with theirs. Requires 0 <= token < vocab,
// top_ids.size() == top_values.size() <= vocab; both may be empty.
float LogProbs(std::span<const float> logits, int32_t token, std::span<int32_t> top_ids,
               std::span<float> top_values);

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_LOG_PROBS_H_
