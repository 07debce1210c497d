// Rows of logits to sample from, with what engine/sampling makes of them: what the device's sampler
// is tested against.

#ifndef STRIDED_TESTS_ENGINE_CUDA_SAMPLING_CASES_H_
#define STRIDED_TESTS_ENGINE_CUDA_SAMPLING_CASES_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

#include "absl/strings/str_join.h"
#include "engine/executor.h"
#include "engine/sampling/log_probs.h"
#include "engine/sampling/sampler.h"
#include "engine/step.h"

namespace strided {

struct SamplingCase {
  SequenceSpec spec;
  std::vector<int32_t> observed;  // x(0), x(1), ...; the next position is drawn
  std::vector<float> logits;
  RowOutput output = RowOutput::kSample;
  int32_t target = 0;

  int vocab_size() const { return static_cast<int>(logits.size()); }
  int position() const { return static_cast<int>(observed.size()); }
};

struct SampledRow {
  int32_t token = -1;
  float log_prob = 0;
  bool finite = true;
  std::vector<int32_t> top_ids;
  std::vector<float> top_values;

  // To the bit. Where the logits were not finite, only the token of a draw has a meaning.
  friend bool operator==(const SampledRow& a, const SampledRow& b) {
    const auto bits = [](float value) { return std::bit_cast<uint32_t>(value); };
    if (a.token != b.token || a.finite != b.finite) return false;
    if (!a.finite) return true;
    return bits(a.log_prob) == bits(b.log_prob) && a.top_ids == b.top_ids &&
           std::equal(a.top_values.begin(), a.top_values.end(), b.top_values.begin(),
                      b.top_values.end(), [&](float x, float y) { return bits(x) == bits(y); });
  }
  friend void PrintTo(const SampledRow& row, std::ostream* out) {
    *out << "token " << row.token << ", log-prob " << row.log_prob
         << (row.finite ? "" : ", not finite") << ", top " << absl::StrJoin(row.top_ids, " ")
         << " with " << absl::StrJoin(row.top_values, " ");
  }
};

inline Sampler SamplerOf(const SamplingCase& c) {
  Sampler sampler({.parameters = c.spec.sampling,
                   .seed = c.spec.seed,
                   .sample_index = c.spec.sample_index,
                   .prompt_length = c.spec.prompt_length,
                   .vocab_size = c.vocab_size()});
  for (int t = 0; t < c.position(); ++t) sampler.Observe(t, c.observed[static_cast<size_t>(t)]);
  return sampler;
}

inline SampledRow ExpectedRow(const SamplingCase& c, Sampler& sampler, int position) {
  SampledRow row;
  if (c.output == RowOutput::kNone) return row;
  row.token = c.output == RowOutput::kSample ? sampler.Sample(position, c.logits) : c.target;
  row.finite = AllFinite(c.logits);
  row.top_ids.resize(static_cast<size_t>(c.spec.top_logprobs));
  row.top_values.resize(row.top_ids.size());
  row.log_prob = LogProbs(c.logits, row.token, row.top_ids, row.top_values);
  return row;
}

inline SampledRow ExpectedRow(const SamplingCase& c) {
  Sampler sampler = SamplerOf(c);
  return ExpectedRow(c, sampler, c.position());
}

// Random cases of every kind; the same on every platform.
class SamplingCases {
 public:
  explicit SamplingCases(unsigned seed) : bits_(seed) {}

  SamplingCase Next(int vocab_size) {
    SamplingCase c;
    c.logits = Logits(vocab_size);
    c.spec.sampling = Parameters(vocab_size);
    c.spec.seed = uint64_t{bits_()} << 32 | bits_();
    c.spec.sample_index = static_cast<uint32_t>(Below(3));
    c.spec.prompt_length = Below(12);
    c.spec.top_logprobs = Chance(3) ? 1 + Below(std::min(vocab_size, 20)) : 0;
    for (int i = Below(24); i > 0; --i) c.observed.push_back(Below(vocab_size));
    if (Chance(3)) std::fill(c.observed.begin(), c.observed.end(), Below(vocab_size));
    c.target = Below(vocab_size);
    if (Chance(10)) c.output = RowOutput::kScore;
    return c;
  }

  // One in `n`.
  bool Chance(int n) { return Below(n) == 0; }
  int Below(int limit) { return static_cast<int>(bits_() % static_cast<uint32_t>(limit)); }
  double Unit() { return static_cast<double>(bits_()) * 0x1p-32; }

 private:
  float Normal(double spread) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Unit();
    return static_cast<float>(sum * spread);
  }

  std::vector<float> Logits(int vocab_size) {
    std::vector<float> logits(static_cast<size_t>(vocab_size));
    const int kind = Below(8);
    const double spread = kind == 0 ? 30 : .5 + 4 * Unit();
    const int levels = 1 + Below(6);
    for (float& logit : logits) {
      logit = kind == 1 ? static_cast<float>(Below(levels)) / 2 - 1 : Normal(spread);
      if (kind == 2) logit *= 1e37F;
      if (kind == 3) logit = Chance(2) ? 0.0F : -0.0F;
      if (kind == 4) logit += 1000;
    }
    const int odd = kind == 5 ? 1 + Below(3) : 0;
    for (int i = 0; i < odd; ++i) logits[static_cast<size_t>(Below(vocab_size))] = Odd();
    if (kind == 6 && Chance(8)) std::fill(logits.begin(), logits.end(), Odd());
    return logits;
  }

  float Odd() {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kLargest = std::numeric_limits<float>::max();
    constexpr float kOdd[] = {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(),
                              kLargest, -kLargest};
    return kOdd[Below(5)];
  }

  double Share() {
    if (Chance(6)) return Chance(2) ? 1e-300 : 1 - 0x1p-53;
    return .01 + .98 * Unit();
  }

  SamplingParameters Parameters(int vocab_size) {
    SamplingParameters parameters;
    const int alone = Below(20);  // from 11 on: none alone, some of all
    const bool plain = Chance(5);
    const auto is_on = [&](int field) {
      return !plain && (alone == field || (alone > 10 && Chance(3)));
    };
    if (is_on(0)) parameters.temperature = Chance(4) ? 0 : .2 + 2 * Unit();
    if (is_on(0) && Chance(5)) {
      parameters.temperature = Chance(2) ? 100 : std::numeric_limits<double>::denorm_min();
    }
    if (is_on(1)) parameters.top_k = 1 + Below(std::min(vocab_size, 1 << Below(21)));
    if (is_on(2)) parameters.top_p = Share();
    if (is_on(3)) parameters.min_p = Chance(5) ? .9999 : .5 * Unit() * Unit();
    if (is_on(4)) parameters.typical_p = Share();
    if (is_on(5)) parameters.repetition_penalty = .5 + 2 * Unit();
    if (is_on(6)) parameters.presence_penalty = 4 * Unit() - 2;
    if (is_on(7)) parameters.frequency_penalty = 4 * Unit() - 2;
    if (is_on(8)) AddBiases(vocab_size, parameters);
    if (is_on(9)) AddAllowed(vocab_size, parameters);
    return parameters;
  }

  void AddBiases(int vocab_size, SamplingParameters& parameters) {
    for (int i = 1 + Below(40); i > 0; --i) {
      float bias = static_cast<float>(8 * Unit() - 4);
      if (Chance(10)) bias = Chance(2) ? 3e38F : -3e38F;
      parameters.logit_bias[Below(vocab_size)] = bias;
    }
  }

  void AddAllowed(int vocab_size, SamplingParameters& parameters) {
    const int sparse = 1 << Below(8);
    for (int id = 0; id < vocab_size; ++id) {
      if (Chance(sparse)) parameters.allowed_ids.push_back(id);
    }
  }

  std::mt19937 bits_;
};

}  // namespace strided

#endif  // STRIDED_TESTS_ENGINE_CUDA_SAMPLING_CASES_H_
