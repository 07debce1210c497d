// One token that may still be drawn, while the filters narrow the choice.

#ifndef STRIDED_ENGINE_SAMPLING_CANDIDATE_H_
#define STRIDED_ENGINE_SAMPLING_CANDIDATE_H_

#include <cstdint>
#include <span>

#include "engine/sampling/soft_maximum.h"

namespace strided {

// A token that may be drawn, and how likely it is.
struct Candidate {
  float logit = 0;  // after bias, penalties and temperature, less the largest: <= 0
  int32_t id = 0;
  Mass mass = 0;  // of exp(logit); its probability is mass / total mass
};

// The most likely first, the lower id first on ties: a strict total order, so that whatever is
// selected by it is the same on every platform.
inline bool RanksBefore(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// The sum of all masses, exact: in whole numbers, so in any order. At most 2^20 candidates.
inline Mass TotalMass(std::span<const Candidate> candidates) {
  Mass total = 0;
  for (const Candidate& candidate : candidates) total += candidate.mass;
  return total;
}

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_CANDIDATE_H_
