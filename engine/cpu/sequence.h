// What a slot of the CPU executor holds.

#ifndef STRIDED_ENGINE_CPU_SEQUENCE_H_
#define STRIDED_ENGINE_CPU_SEQUENCE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/cpu/sequence_cache.h"
#include "engine/executor.h"
#include "engine/plan_check.h"
#include "engine/sampling/sampler.h"

namespace strided {

// One sequence from its start to the release of its slot: what it was started with, how far it has
// come, and what it still reads. Owned by the executor's slot table. Between steps it is touched by
// the scheduler's thread alone; within a step the team's threads share the cache head by head, and
// one of them at a time has the sampler.
struct Sequence {
  // Requires a spec that CheckSequenceSpec took for the model of `vocab_size` tokens, and a cache
  // for its max_length. `start` is the caller's to fill in.
  Sequence(SequenceSpec its_spec, SequenceCache its_cache, int vocab_size)
      : spec(std::move(its_spec)),
        cache(std::move(its_cache)),
        sampler(SamplerSpec{spec.sampling, spec.seed, spec.sample_index, spec.prompt_length,
                            vocab_size}),
        progress{.max_length = spec.max_length} {}

  // What SlotTable counts against the capacity; the same for the sequence's whole life.
  int64_t cache_bytes() const { return cache.bytes(); }

  SequenceSpec spec;
  SequenceCache cache;
  Sampler sampler;
  std::vector<float> start;  // [d_model] the input of position 0: start vector or conditions
  SequenceProgress progress;
  // The first position whose token the sampler has not seen; -1 where x(-1) is one.
  int observed = 0;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_SEQUENCE_H_
