// From one row of logits to its token and log-probabilities, by a block of threads: Sampler and
// LogProbs of engine/sampling, bit for bit.
//
// A row that is drawn with temperature 1, no filter and nothing that changes logits takes two
// passes over them, which the log-probability needs anyway: the largest, and the sum of exp. Other
// temperatures take a third. Bound, for small vocabularies, by the chain of dependent steps: two
// reductions and one scan.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ROW_SAMPLER_H_
#define STRIDED_ENGINE_CUDA_KERNELS_ROW_SAMPLER_H_

#include <bit>
#include <cstdint>
#include <limits>

#include "engine/cuda/kernels/block.h"
#include "engine/cuda/kernels/choice.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/running_mass.h"
#include "engine/cuda/kernels/selection.h"
#include "engine/sampling/fixed_arithmetic.h"
#include "engine/sampling/philox.h"

namespace strided::cuda {

// The mass of a token in the model's own distribution.
struct ModelMass {
  const float* logits = nullptr;
  float largest = 0;
  constexpr Mass operator()(int id) const { return MassOf(Exponential(logits[id] - largest)); }
};

// What a draw needs to know before it sees a logit: to be found while they are under way, for each
// word of a sampler lies a long way off.
struct DrawStart {
  uint64_t bits = 0;  // DrawBits
  float inverse_temperature = 1;
  bool adjusts = false;  // allowed ids, biases or penalties change logits
  bool filters = false;  // top-k, top-p, min-p or typical-p leaves some out
};

// For x(position). Reads all that it needs at once, not one after the other as || would.
STRIDED_DEVICE DrawStart StartOf(const DeviceSampler& sampler, int position) {
  const bool lists = (sampler.allowed_count | sampler.bias_count) > 0;
  const bool penalises = sampler.penalises != 0;
  const bool ranks = sampler.top_k > 0;
  const bool masses = (sampler.top_p < 1) | (sampler.min_p > 0) | (sampler.typical_p < 1);
  DrawStart start;
  start.bits = DrawBits(sampler.seed, sampler.sample_index, position);
  start.inverse_temperature = sampler.inverse_temperature;
  start.adjusts = lists | penalises;
  start.filters = ranks | masses;
  return start;
}

// Constructed and used by all threads of a block together; every thread gets the same results.
template <typename Block>
class RowSampler {
 public:
  // `logits` [vocab_size] is read only; `adjusted` [vocab_size] is scratch.
  STRIDED_DEVICE RowSampler(Block& block, const float* logits, int vocab_size, float* adjusted)
      : block_(block),
        logits_(logits),
        adjusted_(adjusted),
        vocab_size_(vocab_size),
        largest_(LargestOf(logits)),
        masses_(block, vocab_size, ModelMass{logits, largest_.value}) {}

  // Whether no logit is a NaN or an infinity.
  STRIDED_DEVICE bool finite() const { return largest_.finite; }

  STRIDED_DEVICE float LogProb(int32_t id) const { return LogProb(id, LogSum()); }

  // x(position), with the sampler's StartOf(position): Sampler::Sample.
  STRIDED_DEVICE int32_t Sample(const DeviceSampler& sampler, const DrawStart& start) {
    const bool adjusts = start.adjusts || !largest_.finite;
    const bool plain = start.inverse_temperature == 1 && !start.filters;
    if (!adjusts && plain) return Draw(masses_, start.bits);
    Choice choice;
    choice.values = logits_;
    choice.largest = largest_.value;
    choice.inverse_temperature = start.inverse_temperature;
    if (adjusts) {
      Adjust(sampler);
      choice.values = adjusted_;
      choice.largest = LargestOf(adjusted_).value;
    }
    if (choice.largest == -std::numeric_limits<float>::infinity()) {
      return sampler.allowed_count > 0 ? sampler.allowed_ids[0] : 0;
    }
    if (start.inverse_temperature == 0) return FirstWith(choice.values, choice.largest);
    if (start.filters) choice = Filter(block_, choice, vocab_size_, sampler);
    return Draw(RunningMass(block_, vocab_size_, choice), start.bits);
  }

  // The `count` most likely ids and their log-probabilities: LogProbs. Requires
  // 1 <= count <= vocab_size.
  STRIDED_DEVICE void ReportTop(int count, int32_t* ids, float* log_probs) {
    const float* const logits = logits_;
    const auto key = [logits](int id) { return ~AscendingKey(logits[id]); };
    const Cut cut = Select(
        block_, vocab_size_, key, [](int) { return Mass{1}; }, static_cast<Mass>(count - 1));
    for (int id = FirstOf(block_); id < vocab_size_; id += StepOf(block_)) {
      if (cut.Keeps(key(id), id)) ids[block_.ClaimPlace()] = id;
    }
    block_.Sync();
    // Each goes to the place that is its rank among them. Until all have been read, the bits of the
    // ids stand where the log-probabilities will.
    for (int place = FirstOf(block_); place < count; place += StepOf(block_)) {
      const Cut self = {key(ids[place]), ids[place]};
      int rank = -1;
      for (int i = 0; i < count; ++i) rank += self.Keeps(key(ids[i]), ids[i]) ? 1 : 0;
      log_probs[rank] = std::bit_cast<float>(ids[place]);
    }
    block_.Sync();
    const double log_sum = LogSum();
    for (int place = FirstOf(block_); place < count; place += StepOf(block_)) {
      ids[place] = std::bit_cast<int32_t>(log_probs[place]);
      log_probs[place] = LogProb(ids[place], log_sum);
    }
  }

 private:
  struct Largest {
    float value;  // of those that are no NaN; -infinity: there is none
    bool finite;  // all are
  };

  // log sum exp of the logits.
  STRIDED_DEVICE double LogSum() const {
    const Mass sum = masses_.total();
    return static_cast<double>(largest_.value) + LogOfMass(sum > kMassOfOne ? sum : kMassOfOne);
  }
  STRIDED_DEVICE float LogProb(int32_t id, double log_sum) const {
    return static_cast<float>(static_cast<double>(logits_[id]) - log_sum);
  }

  STRIDED_DEVICE Largest LargestOf(const float* values) const {
    constexpr uint32_t kExponentMask = 0x7F800000;
    uint32_t key = 0;
    uint32_t odd = 0;  // a NaN or an infinity
    for (int i = FirstOf(block_); i < vocab_size_; i += StepOf(block_)) {
      const uint32_t its_key = AscendingKey(values[i]);
      key = its_key > key ? its_key : key;
      odd |= (std::bit_cast<uint32_t>(values[i]) & kExponentMask) == kExponentMask ? 1U : 0U;
    }
    key = block_.LargestOfLanes(key);
    odd = block_.LargestOfLanes(odd);
    const uint64_t of_warp = block_.Gather(key | uint64_t{odd} << 32);
    key = block_.LargestOfLanes(static_cast<uint32_t>(of_warp));
    odd = block_.LargestOfLanes(static_cast<uint32_t>(of_warp >> 32));
    return {ValueOfKey(key), odd == 0};
  }

  // The first id whose value is `value`. Requires that there is one.
  STRIDED_DEVICE int32_t FirstWith(const float* values, float value) const {
    uint32_t before_end = 0;
    for (int i = FirstOf(block_); i < vocab_size_ && before_end == 0; i += StepOf(block_)) {
      if (values[i] == value) before_end = static_cast<uint32_t>(vocab_size_ - i);
    }
    return vocab_size_ - static_cast<int32_t>(LargestOfBlock(block_, before_end));
  }

  template <typename Masses>
  STRIDED_DEVICE static int32_t Draw(const Masses& masses, uint64_t bits) {
    return masses.Find(FractionOf(bits, masses.total())).index;
  }

  // Fills adjusted_: bounded logits, then bias, then penalties. What is not allowed gets -infinity,
  // which neither bias nor penalty changes.
  STRIDED_DEVICE void Adjust(const DeviceSampler& sampler) {
    const bool every = sampler.allowed_count == 0;
    for (int id = FirstOf(block_); id < vocab_size_; id += StepOf(block_)) {
      adjusted_[id] = every ? BoundedLogit(static_cast<double>(logits_[id]))
                            : -std::numeric_limits<float>::infinity();
    }
    block_.Sync();
    for (int i = FirstOf(block_); i < sampler.allowed_count; i += StepOf(block_)) {
      const int32_t id = sampler.allowed_ids[i];
      adjusted_[id] = BoundedLogit(static_cast<double>(logits_[id]));
    }
    if (!every) block_.Sync();
    for (int i = FirstOf(block_); i < sampler.bias_count; i += StepOf(block_)) {
      float& logit = adjusted_[sampler.bias_ids[i]];
      logit =
          BoundedLogit(static_cast<double>(logit) + static_cast<double>(sampler.bias_values[i]));
    }
    if (sampler.bias_count > 0) block_.Sync();
    if (sampler.penalises != 0) Penalise(sampler);
  }

  STRIDED_DEVICE void Penalise(const DeviceSampler& sampler) {
    const Penalties penalties = {sampler.repetition_penalty, sampler.presence_penalty,
                                 sampler.frequency_penalty};
    for (int id = FirstOf(block_); id < vocab_size_; id += StepOf(block_)) {
      const int32_t generated = sampler.history[id];
      if (generated == kUnseenToken) continue;
      adjusted_[id] = Penalised(adjusted_[id], generated, penalties);
    }
    block_.Sync();
  }

  Block& block_;
  const float* logits_;
  float* adjusted_;
  int vocab_size_;
  Largest largest_;  // of the logits
  RunningMass<Block, ModelMass> masses_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ROW_SAMPLER_H_
