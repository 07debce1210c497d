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

struct Sequence {
  Sequence(SequenceSpec its_spec, SequenceCache its_cache, int vocab_size)
      : spec(std::move(its_spec)),
        cache(std::move(its_cache)),
        sampler(SamplerSpec{spec.sampling, spec.seed, spec.sample_index, spec.prompt_length,
                            vocab_size}),
        progress{.max_length = spec.max_length} {}

  int64_t cache_bytes() const { return cache.bytes(); }

  SequenceSpec spec;
  SequenceCache cache;
  Sampler sampler;
  std::vector<float> start;  // [d_model]
  SequenceProgress progress;
  // The first position whose token the sampler has not seen; -1 where x(-1) is one.
  int observed = 0;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_SEQUENCE_H_
