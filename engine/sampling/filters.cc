#include "engine/sampling/filters.h"

#include <algorithm>
#include <cstddef>

namespace strided {
namespace {

// The candidate at which the running mass, in the order `before`, first reaches `wanted`. Requires
// 1 <= wanted <= TotalMass(pool). Reorders the pool. `before` must be a strict total order; the
// masses are integers, so the result does not depend on how nth_element partitions.
template <typename Before>
Candidate LastWithin(std::span<Candidate> pool, Mass wanted, Before before) {
  while (pool.size() > 1) {
    const size_t middle = pool.size() / 2;
    std::nth_element(pool.begin(), pool.begin() + static_cast<std::ptrdiff_t>(middle), pool.end(),
                     before);
    const std::span<Candidate> head = pool.first(middle);
    const Mass head_mass = TotalMass(head);
    if (head_mass >= wanted) {
      pool = head;
    } else {
      wanted -= head_mass;
      pool = pool.subspan(middle);
    }
  }
  return pool.front();
}

// Drops, in place, what ranks after `last`.
template <typename Before>
std::span<Candidate> KeepUpTo(std::span<Candidate> candidates, const Candidate& last,
                              Before before) {
  const auto end =
      std::remove_if(candidates.begin(), candidates.end(),
                     [&](const Candidate& candidate) { return before(last, candidate); });
  return candidates.first(static_cast<size_t>(end - candidates.begin()));
}

}  // namespace

std::span<Candidate> KeepTopK(std::span<Candidate> candidates, int top_k,
                              std::span<Candidate> scratch) {
  if (top_k == 0 || static_cast<size_t>(top_k) >= candidates.size()) return candidates;
  const std::span<Candidate> pool = scratch.first(candidates.size());
  std::copy(candidates.begin(), candidates.end(), pool.begin());
  const auto last = pool.begin() + (top_k - 1);
  std::nth_element(pool.begin(), last, pool.end(), RanksBefore);
  return KeepUpTo(candidates, *last, RanksBefore);
}

std::span<Candidate> KeepTopP(std::span<Candidate> candidates, double top_p,
                              std::span<Candidate> scratch) {
  if (top_p >= 1) return candidates;
  const Mass total = TotalMass(candidates);
  const Mass wanted = MassOfShare(top_p, total);
  // Candidates with no more than an even share of what may go can all go. The others rank first,
  // since mass never falls as the logit rises; in a large vocabulary they are few.
  const Mass even_share = (total - wanted) / candidates.size();
  const auto pool_end =
      std::copy_if(candidates.begin(), candidates.end(), scratch.begin(),
                   [=](const Candidate& candidate) { return candidate.mass > even_share; });
  const auto pool = scratch.first(static_cast<size_t>(pool_end - scratch.begin()));
  return KeepUpTo(candidates, LastWithin(pool, wanted, RanksBefore), RanksBefore);
}

std::span<Candidate> KeepMinP(std::span<Candidate> candidates, double min_p) {
  if (min_p <= 0) return candidates;
  const Mass least = MassOfShare(min_p, kMassOfOne);
  const auto end =
      std::remove_if(candidates.begin(), candidates.end(),
                     [least](const Candidate& candidate) { return candidate.mass < least; });
  return candidates.first(static_cast<size_t>(end - candidates.begin()));
}

std::span<Candidate> KeepTypicalP(std::span<Candidate> candidates, double typical_p,
                                  std::span<Candidate> scratch) {
  if (typical_p >= 1) return candidates;
  const Mass total = TotalMass(candidates);
  Mass falls = 0;
  for (const Candidate& candidate : candidates) {
    falls += WeightedFall(candidate.logit, candidate.mass);
  }
  const auto more_typical = [=](const Candidate& a, const Candidate& b) {
    const float distance_a = DistanceFromTypical(a.logit, falls, total);
    const float distance_b = DistanceFromTypical(b.logit, falls, total);
    return distance_a < distance_b || (distance_a == distance_b && a.id < b.id);
  };
  const std::span<Candidate> pool = scratch.first(candidates.size());
  std::copy(candidates.begin(), candidates.end(), pool.begin());
  const Mass wanted = MassOfShare(typical_p, total);
  return KeepUpTo(candidates, LastWithin(pool, wanted, more_typical), more_typical);
}

}  // namespace strided
