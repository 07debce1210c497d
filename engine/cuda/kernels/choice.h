// The filters that narrow the choice before a token is drawn: engine/sampling/filters.h, for a
// block of threads.
//
// What a filter keeps is described by its last survivor, not stored: whether a token may still be
// drawn, and its mass, follow from its logit and a few numbers that all threads know.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_CHOICE_H_
#define STRIDED_ENGINE_CUDA_KERNELS_CHOICE_H_

#include "engine/cuda/kernels/block.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/running_mass.h"
#include "engine/cuda/kernels/selection.h"
#include "engine/sampling/fixed_arithmetic.h"

namespace strided::cuda {

// The tokens that may still be drawn, all with the same numbers in every thread.
struct Choice {
  const float* values = nullptr;  // [vocab] after bias and penalties; no NaN or +infinity
  float largest = 0;              // of the values; finite
  float inverse_temperature = 1;
  Cut by_rank;           // what top-k and top-p leave: the most likely first
  Mass least_mass = 1;   // what min-p leaves
  bool typical = false;  // whether typical-p is on; then
  Mass falls = 0;        //   its sum of WeightedFall
  Mass falls_total = 0;  //   and of the masses that belong to it
  Cut by_distance;       //   what it leaves: the nearest to the expectation first

  // After temperature, less the largest: <= 0.
  constexpr float Logit(int id) const { return (values[id] - largest) * inverse_temperature; }
  constexpr uint32_t RankKey(int id) const { return MagnitudeKey(Logit(id)); }
  constexpr uint32_t DistanceKey(int id) const {
    return MagnitudeKey(DistanceFromTypical(Logit(id), falls, falls_total));
  }
  // The token's mass; 0 where it may not be drawn.
  constexpr Mass operator()(int id) const {
    if (!by_rank.Keeps(RankKey(id), id)) return 0;
    const Mass mass = MassOf(Exponential(Logit(id)));
    if (mass < least_mass) return 0;
    return !typical || by_distance.Keeps(DistanceKey(id), id) ? mass : 0;
  }
};

template <typename Block>
STRIDED_DEVICE Cut TopKCut(Block& block, const Choice& choice, int count, int top_k) {
  const auto one = [choice](int id) { return choice(id) > 0 ? Mass{1} : Mass{0}; };
  const RunningMass candidates(block, count, one);
  const auto kept = static_cast<Mass>(top_k);
  if (kept >= candidates.total()) return choice.by_rank;
  return Select(
      block, count, [choice](int id) { return choice.RankKey(id); }, one, kept - 1);
}

template <typename Block>
STRIDED_DEVICE Cut TopPCut(Block& block, const Choice& choice, int count, double top_p) {
  const RunningMass masses(block, count, choice);
  const Mass wanted = MassOfShare(top_p, masses.total());
  // Candidates with no more than an even share of what may go can all go, as filters.cc says.
  const Mass even_share = (masses.total() - wanted) / static_cast<Mass>(count);
  const auto heavy = [choice, even_share](int id) {
    const Mass mass = choice(id);
    return mass > even_share ? mass : Mass{0};
  };
  return Select(
      block, count, [choice](int id) { return choice.RankKey(id); }, heavy, wanted - 1);
}

template <typename Block>
STRIDED_DEVICE Choice KeepTypicalP(Block& block, Choice choice, int count, double typical_p) {
  const RunningMass masses(block, count, choice);
  const RunningMass falls(block, count, [choice](int id) {
    const Mass mass = choice(id);
    return mass > 0 ? WeightedFall(choice.Logit(id), mass) : Mass{0};
  });
  choice.falls = falls.total();
  choice.falls_total = masses.total();
  const Mass wanted = MassOfShare(typical_p, masses.total());
  const Choice all = choice;  // without the cut that is being looked for
  choice.by_distance = Select(
      block, count, [all](int id) { return all.DistanceKey(id); }, all, wanted - 1);
  choice.typical = true;
  return choice;
}

// top-k, top-p, min-p and typical-p, in this order. `count`: of the vocabulary.
template <typename Block>
STRIDED_DEVICE Choice Filter(Block& block, Choice choice, int count, const DeviceSampler& sampler) {
  if (sampler.top_k > 0) choice.by_rank = TopKCut(block, choice, count, sampler.top_k);
  if (sampler.top_p < 1) choice.by_rank = TopPCut(block, choice, count, sampler.top_p);
  if (sampler.min_p > 0) choice.least_mass = MassOfShare(sampler.min_p, kMassOfOne);
  if (sampler.typical_p < 1) choice = KeepTypicalP(block, choice, count, sampler.typical_p);
  return choice;
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_CHOICE_H_
