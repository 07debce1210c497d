// How a token is drawn from a model's distribution. Fully resolved: every value is meant.
//
// Order of application: bias and allowed set, penalties, temperature, top-k, top-p, min-p,
// typical-p, one draw by inverse CDF.

#ifndef STRIDED_ENGINE_SAMPLING_PARAMETERS_H_
#define STRIDED_ENGINE_SAMPLING_PARAMETERS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"

namespace strided {

// How one sequence's tokens are drawn. The defaults draw from the model's own distribution. Only
// what shapes a distribution stands here; lengths and stops are the scheduler's.
struct SamplingParameters {
  double temperature = 1;         // [0, 100]; 0: the largest logit, the lowest id on ties
  int top_k = 0;                  // [0, vocab]; 0: off
  double top_p = 1;               // (0, 1]; 1: off
  double min_p = 0;               // [0, 1); 0: off
  double typical_p = 1;           // (0, 1]; 1: off (Meister et al. 2022)
  double repetition_penalty = 1;  // (0, 10]; over prompt and generated tokens (Keskar et al. 2019)
  double presence_penalty = 0;    // [-2, 2]; subtracted once from each generated token's logit
  double frequency_penalty = 0;   // [-2, 2]; subtracted per occurrence among generated tokens
  std::map<int32_t, float> logit_bias = {};  // id -> finite addend
  std::vector<int32_t> allowed_ids = {};     // ascending, no repeats; empty: every id

  friend bool operator==(const SamplingParameters&, const SamplingParameters&) = default;
};

// InvalidArgument naming the parameter (error_detail.h: field "sampling.<name>"), its value and
// its limits, for the first one that is out of range, not finite, or names an id >= vocab_size.
absl::Status ValidateSampling(const SamplingParameters& parameters, int vocab_size);

// Whether the tokens before change the logits.
bool Penalises(const SamplingParameters& parameters);

// 1 / temperature; 0 for temperature 0. Bounded, so that 0 times it is 0: the largest logit keeps
// its mass.
float InverseTemperature(const SamplingParameters& parameters);

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_PARAMETERS_H_
