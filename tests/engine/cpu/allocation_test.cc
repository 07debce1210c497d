// Nothing is allocated in a step: this program counts what operator new gives out.

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "tests/engine/cpu/sequence_runner.h"

namespace {

std::atomic<int64_t> allocations{0};

void* Allocate(size_t size, std::align_val_t alignment = std::align_val_t{1}) noexcept {
  ++allocations;
  const size_t bytes = size == 0 ? 1 : size;
  void* memory = nullptr;
  if (static_cast<size_t>(alignment) <= alignof(std::max_align_t)) {
    memory = std::malloc(bytes);
  } else if (posix_memalign(&memory, static_cast<size_t>(alignment), bytes) != 0) {
    memory = nullptr;
  }
  if (memory == nullptr) std::abort();
  return memory;
}

// Not inlined: GCC would see memory of a new that it has not inlined go to free.
[[gnu::noinline]] void Free(void* memory) noexcept { std::free(memory); }

}  // namespace

// The replaceable functions of the standard library, for this program alone. All of them: the
// library's own forms for nothrow need not use these (AddressSanitizer's do not).
void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void* operator new(size_t size, std::align_val_t at) { return Allocate(size, at); }
void* operator new[](size_t size, std::align_val_t at) { return Allocate(size, at); }
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }
void operator delete[](void* memory, size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { Free(memory); }

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
