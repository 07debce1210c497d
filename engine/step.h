// One step: what the scheduler asks of a device, and what it gets back.
//
// A step is a function of the plan, the weights and the caches. It has no clock and no policy, and
// what a row computes does not depend on the other rows of the plan, bit for bit.

#ifndef STRIDED_ENGINE_STEP_H_
#define STRIDED_ENGINE_STEP_H_

#include <cstdint>
#include <span>
#include <vector>

namespace strided {

// The input of step 0: the model's start vector instead of a token. A model without one
// (ModelConfig::has_start_vector) reads a token at step 0, too.
inline constexpr int32_t kStartInput = -1;

enum class RowOutput : uint8_t {
  kNone,    // only the caches are wanted (prefill, replay)
  kSample,  // draw x(position) with the sequence's sampler
  kScore,   // the log-probability of `target` as x(position)
};

// One position of one sequence. Step t reads x(t-1) and predicts x(t); x(-1) is the start vector
// or, without one, the token that the sequence begins with.
struct StepRow {
  int slot = 0;
  int position = 0;             // t, from 0; each sequence's rows come in order, without gaps
  int32_t input = kStartInput;  // x(t-1)
  RowOutput output = RowOutput::kNone;
  int32_t target = 0;  // for kScore
  // kSample behind the prompt alone: consecutive positions to run in this call, the first as said
  // above, each later one with the token that the one before it drew. 1 to ExecutorInfo::max_steps;
  // 1 for the others.
  int steps = 1;
};

// The rows of one sequence stand together, at consecutive positions, the first of which follows the
// last that the sequence has run. A prefill is many rows of one slot; a decode is one row. Nothing
// follows a row of several steps in its slot.
struct StepPlan {
  std::vector<StepRow> rows;
};

// A row's result. Log-probabilities are natural and of the model's own distribution: float32 soft
// maximum of the unmodified logits (temperature 1, nothing filtered).
struct TokenResult {
  int32_t token = 0;   // drawn, or the target; -1 for kNone
  float log_prob = 0;  // of `token`
  bool finite = true;  // false: the logits held a NaN or an infinity, and the rest means nothing
  std::span<const int32_t> top_ids;   // SequenceSpec::top_logprobs entries, most likely first,
  std::span<const float> top_values;  // the lower id first on ties; empty for kNone
};

// One entry per row and step: the rows in the plan's order, a row's steps one after the other.
// After an entry that is not finite the row's later ones mean nothing. Owned by the executor; valid
// until its next Run.
using StepResult = std::span<const TokenResult>;

}  // namespace strided

#endif  // STRIDED_ENGINE_STEP_H_
