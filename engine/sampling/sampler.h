// Draws a sequence's tokens from the model's logits.
//
// Order of application (parameters.h): bias and allowed set, penalties, temperature, top-k, top-p,
// min-p, typical-p, one draw by inverse CDF over ascending ids. A token is a function of
// (parameters, seed, sample_index, position, logits) and, where a penalty is on, of the tokens
// before it. Logits are float32; what follows is in fixed operations (soft_maximum.h), so equal
// logits give equal tokens on every platform: of the maths library only exact functions are called
// (ceil, abs).

#ifndef STRIDED_ENGINE_SAMPLING_SAMPLER_H_
#define STRIDED_ENGINE_SAMPLING_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling/candidate.h"
#include "engine/sampling/parameters.h"
#include "engine/sampling/token_history.h"

namespace strided {

struct SamplerSpec {
  SamplingParameters parameters = {};  // ValidateSampling(parameters, vocab_size) must be OK
  uint64_t seed = 0;
  uint32_t sample_index = 0;
  int prompt_length = 0;  // tokens before it count as prompt for the penalties
  int vocab_size = 0;     // [1, 2^20]
};

// One per sequence. Not thread-safe; separate samplers may be used by separate threads at once.
// All memory, up to 48 bytes per vocabulary entry, is allocated by the constructor.
class Sampler {
 public:
  explicit Sampler(SamplerSpec spec);

  // x(position) = token was fed as an input. Each position once, in order, prompt and generated
  // tokens alike; the start input is none. Requires 0 <= token < vocab_size.
  void Observe(int position, int32_t token) { history_.Observe(position, token); }

  // Takes over what `parent` has observed, for a sequence that continues it. Requires the parent's
  // vocab_size and prompt_length, and that this sampler has observed nothing. Does not allocate.
  void InheritHistory(const Sampler& parent) { history_ = parent.history_; }

  // x(position), an allowed id. `logits` [vocab_size] is read only; a NaN counts as -infinity, so
  // does a logit that bias or penalties push beyond float32. An id with -infinity is returned only
  // if no allowed id has more; then it is the lowest allowed one. Requires position >= 0.
  int32_t Sample(int position, std::span<const float> logits);

 private:
  // Bias, penalties and the allowed set: the logits of the allowed ids, ascending.
  std::span<float> Adjust(std::span<const float> logits);
  // Temperature and soft maximum: the candidates with a mass, ascending. Overwrites `values`, of
  // which `largest` is the largest.
  std::span<Candidate> Weigh(std::span<float> values, float largest);
  std::span<Candidate> Filter(std::span<Candidate> candidates);
  // The `index`-th allowed id.
  int32_t IdAt(size_t index) const;

  SamplerSpec spec_;
  bool penalised_;             // some penalty is on
  float inverse_temperature_;  // 0 where the temperature is
  TokenHistory history_;

  // Scratch of one Sample.
  std::vector<float> adjusted_;        // [vocab]
  std::vector<float> exponentials_;    // [allowed ids]
  std::vector<Candidate> candidates_;  // [allowed ids]; none at temperature 0
  std::vector<Candidate> scratch_;     // the same; none without a filter that selects
};

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_SAMPLER_H_
