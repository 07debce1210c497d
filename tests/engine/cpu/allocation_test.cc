// Nothing is allocated in a step: this program counts what operator new gives out.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/engine/cpu/sequence_runner.h"

namespace {

std::atomic<int64_t> allocations{0};

void* Allocate(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}

}  // namespace

// The replaceable functions of the standard library, for this program alone.
void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace strided {
namespace {

// Steps of two sequences, prompt pieces beside single steps, with everything asked for.
int64_t AllocationsOfSteps(Executor& executor) {
  SequenceSpec spec;
  spec.max_length = executor.config().context_length;
  spec.prompt_length = 4;
  spec.top_logprobs = 3;
  spec.sampling.top_k = 4;
  spec.sampling.top_p = 0.9;
  spec.sampling.frequency_penalty = 0.5;
  const Slot first = *executor.StartSequence(spec);
  const Slot second = *executor.StartSequence(spec);
  StepPlan plan;
  plan.rows.reserve(16);
  const int64_t before = allocations;
  for (int position = 0; position + 4 <= spec.max_length; position += 4) {
    for (const Slot* slot : {&first, &second}) {
      plan.rows.clear();
      for (int t = position; t < position + 4; ++t) {
        StepRow row;
        row.slot = slot->index();
        row.position = t;
        row.input = t == 0 ? kStartInput : t % 3;
        row.output = t % 2 == 0 ? RowOutput::kSample : RowOutput::kScore;
        plan.rows.push_back(row);
      }
      EXPECT_TRUE(executor.Run(plan).ok());
    }
  }
  return allocations - before;
}

TEST(AllocationTest, AStepAllocatesNothing) {
  for (const char* directory : {"tests/golden/heads", "tests/golden/fixed_spread"}) {
    const LoadedModel model = LoadModel(directory);
    for (const WeightFormat format :
         {WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8}) {
      CpuOptions options;
      options.weight_format = format;
      options.threads = 2;
      const std::unique_ptr<Executor> executor = MakeExecutor(model, options);
      EXPECT_EQ(AllocationsOfSteps(*executor), 0) << directory << " " << executor->info().numerics;
    }
  }
}

TEST(AllocationTest, TheCountSeesAllocations) {
  const int64_t before = allocations;
  const std::vector<int> some(100);
  EXPECT_GT(allocations, before) << some.size();
}

}  // namespace
}  // namespace strided
