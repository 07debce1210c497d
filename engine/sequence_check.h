// Whether a sequence fits a model, and how it begins. Shared by the executors.

#ifndef STRIDED_ENGINE_SEQUENCE_CHECK_H_
#define STRIDED_ENGINE_SEQUENCE_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "engine/executor.h"
#include "engine/model/config.h"

namespace strided {

// InvalidArgument naming the field of `spec` that the model does not take, its value and its range.
absl::Status CheckSequenceSpec(const SequenceSpec& spec, const ModelConfig& config);

// InvalidArgument where a sequence of `spec` cannot continue one of `parent`
// (Executor::ForkSequence).
absl::Status CheckFork(const SequenceSpec& spec, const SequenceSpec& parent);

// What step 0 of a sequence without a prompt reads: kStartInput; in a model without a start vector
// its start token, or token 0 where it has none and every request brings a prompt.
int32_t FirstInput(const ModelConfig& config);

}  // namespace strided

#endif  // STRIDED_ENGINE_SEQUENCE_CHECK_H_
