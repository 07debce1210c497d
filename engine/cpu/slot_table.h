// The sequences that an executor holds, and the cache memory that they use together.

#ifndef STRIDED_ENGINE_CPU_SLOT_TABLE_H_
#define STRIDED_ENGINE_CPU_SLOT_TABLE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/cpu/sequence_cache.h"
#include "engine/executor.h"
#include "engine/sampling/sampler.h"

namespace strided {

// What a slot holds.
struct Sequence {
  Sequence(SequenceSpec its_spec, SequenceCache its_cache, int vocab_size)
      : spec(std::move(its_spec)),
        cache(std::move(its_cache)),
        sampler(SamplerSpec{spec.sampling, spec.seed, spec.sample_index, spec.prompt_length,
                            vocab_size}) {}

  SequenceSpec spec;
  SequenceCache cache;
  Sampler sampler;
  std::vector<float> start;  // [d_model]
  int next_position = 0;     // the first that it has not run
  int observed = 0;          // tokens that the sampler has seen: x(0) to x(observed - 1)
  uint64_t last_plan = 0;    // the last plan that named it, to find one that names it twice
};

// One thread adds, finds and removes; usage() may be called from any.
class SlotTable {
 public:
  SlotTable(int max_slots, int64_t capacity_bytes);

  // OK if a sequence of so many cache bytes can be added now. InvalidArgument where it exceeds
  // the capacity alone; ResourceExhausted where it does beside the slots in use, or all are.
  absl::Status CheckRoom(int64_t bytes) const ABSL_LOCKS_EXCLUDED(mu_);
  // The slot that it was put in. Requires CheckRoom(sequence->cache.bytes()).
  int Add(std::unique_ptr<Sequence> sequence) ABSL_LOCKS_EXCLUDED(mu_);
  // Null where the slot is not in use.
  Sequence* Find(int slot);
  // Requires a slot in use.
  void Remove(int slot) ABSL_LOCKS_EXCLUDED(mu_);

  CacheUsage usage() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Of the owning thread alone.
  std::vector<std::unique_ptr<Sequence>> sequences_;  // [max_slots], null where free
  std::vector<int> free_;                             // the lowest last

  // usage() reads from other threads.
  mutable absl::Mutex mu_;
  CacheUsage usage_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_SLOT_TABLE_H_
