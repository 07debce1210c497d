// Whether a sequence fits a model. Shared by the executors.

#ifndef STRIDED_ENGINE_SEQUENCE_CHECK_H_
#define STRIDED_ENGINE_SEQUENCE_CHECK_H_

#include "absl/status/status.h"
#include "engine/executor.h"
#include "engine/model/config.h"

namespace strided {

// InvalidArgument naming the field of `spec` that the model does not take, its value and its range.
absl::Status CheckSequenceSpec(const SequenceSpec& spec, const ModelConfig& config);

// InvalidArgument where a sequence of `spec` cannot continue one of `parent`
// (Executor::ForkSequence).
absl::Status CheckFork(const SequenceSpec& spec, const SequenceSpec& parent);

}  // namespace strided

#endif  // STRIDED_ENGINE_SEQUENCE_CHECK_H_
