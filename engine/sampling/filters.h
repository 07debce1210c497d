// The filters that narrow the choice before a token is drawn.
//
// Each takes the candidates in ascending order of id, with at least one of them and no mass 0, and
// returns those that it keeps: the front of the same memory, in the same order, never empty.
// Probabilities are relative to the candidates given, so each filter sees what the one before it
// left, renormalised. Nothing is sorted that need not be: a filter selects its last survivor in
// linear time on average. `scratch` is at least as long as `candidates` and does not overlap it;
// its contents afterwards mean nothing. Thread-safe on separate memory; nothing is allocated.

#ifndef STRIDED_ENGINE_SAMPLING_FILTERS_H_
#define STRIDED_ENGINE_SAMPLING_FILTERS_H_

#include <span>

#include "engine/sampling/candidate.h"

namespace strided {

// The `top_k` that rank first. 0: all (Fan et al. 2018, section 5).
std::span<Candidate> KeepTopK(std::span<Candidate> candidates, int top_k,
                              std::span<Candidate> scratch);

// The fewest that rank first and together have at least `top_p` of the mass. Requires
// 0 < top_p <= 1; 1: all (nucleus sampling, Holtzman et al. 2020, section 3.1).
std::span<Candidate> KeepTopP(std::span<Candidate> candidates, double top_p,
                              std::span<Candidate> scratch);

// Those at least `min_p` times as likely as the most likely candidate, whose mass must be
// kMassOfOne. Requires 0 <= min_p < 1; 0: all (Nguyen et al. 2024, section 3).
std::span<Candidate> KeepMinP(std::span<Candidate> candidates, double min_p);

// Those whose surprise -log p is nearest to its expectation, the entropy: the fewest that together
// have at least `typical_p` of the mass, the lower id first on ties. Requires 0 < typical_p <= 1;
// 1: all (Meister et al. 2022, section 3).
std::span<Candidate> KeepTypicalP(std::span<Candidate> candidates, double typical_p,
                                  std::span<Candidate> scratch);

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_FILTERS_H_
