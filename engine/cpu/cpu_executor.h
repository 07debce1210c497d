// The executor for CPUs: the readable one, and the oracle of the others.

#ifndef STRIDED_ENGINE_CPU_CPU_EXECUTOR_H_
#define STRIDED_ENGINE_CPU_CPU_EXECUTOR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"
#include "engine/model/weights.h"

namespace strided {

struct CpuOptions {
  // float32, bfloat16, or int8: activations are then quantised per row and step, too.
  WeightFormat weight_format = WeightFormat::kFloat32;
  int threads = 0;     // 0: one per core that the process may use
  int max_rows = 256;  // of one plan
  int max_slots = 256;
  int64_t cache_capacity_bytes = int64_t{1} << 30;  // of all slots together
  // "scalar", "neon", "avx2", "avx512", ...: an instruction set that this processor has; empty: the
  // widest. Results may differ in their bits where ExecutorInfo::numerics does.
  std::string instruction_set;
};

// Packs the weights for the widest dot product that this processor has; `weights` is not needed
// afterwards. Keys and values are kept as float32 beside float32 weights, else as bfloat16.
// InvalidArgument where an option is out of range; ResourceExhausted where memory does not suffice,
// with the numbers.
absl::StatusOr<std::unique_ptr<Executor>> CreateCpuExecutor(const ModelConfig& config,
                                                            const Weights& weights,
                                                            const CpuOptions& options);

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_CPU_EXECUTOR_H_
