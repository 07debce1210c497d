// The CPU executor in tests.

#ifndef STRIDED_TESTS_ENGINE_CPU_SEQUENCE_RUNNER_H_
#define STRIDED_TESTS_ENGINE_CPU_SEQUENCE_RUNNER_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/cpu/cpu_executor.h"
#include "engine/cpu/kernels/kernels.h"
#include "tests/testing/sequence_runner.h"

namespace strided {

// The instruction sets that this processor has.
inline std::vector<std::string> InstructionSets() {
  std::vector<std::string> names;
  for (const Kernels& kernels : AvailableKernels()) names.emplace_back(kernels.name);
  return names;
}

inline std::unique_ptr<Executor> MakeExecutor(const LoadedModel& model, const CpuOptions& options) {
  absl::StatusOr<std::unique_ptr<Executor>> executor =
      CreateCpuExecutor(model.config, model.weights, options);
  EXPECT_TRUE(executor.ok()) << executor.status();
  return *std::move(executor);
}

}  // namespace strided

#endif  // STRIDED_TESTS_ENGINE_CPU_SEQUENCE_RUNNER_H_
