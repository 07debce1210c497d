// The shapes that there are kernels of heads for, and what follows from them.

#ifndef STRIDED_ENGINE_CUDA_GRID_GRID_SIZES_H_
#define STRIDED_ENGINE_CUDA_GRID_GRID_SIZES_H_

#include "engine/cuda/kernels/device_types.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::grid {

inline constexpr int kGroup = 64;  // inputs of a product that one warp takes at a time
inline constexpr int kWarps = 16;  // of a block
inline constexpr int kThreads = 32 * kWarps;
inline constexpr int kMostRows = 8;     // of a step: the columns of one mma
inline constexpr int kMostChunks = 32;  // of a query's keys
inline constexpr int kBlocks = 64;      // of a kernel of heads

// A network's widths; n_head * d_value = d_model.
struct Widths {
  int d_model = 0;
  int d_ff = 0;
  int d_key = 0;
  int d_value = 0;
  friend bool operator==(const Widths&, const Widths&) = default;
};

template <int kModelOf, int kHiddenOf, int kKeyOf, int kValueOf>
struct Sizes {
  static constexpr int kModel = kModelOf;
  static constexpr int kHidden = kHiddenOf;
  static constexpr int kKey = kKeyOf;
  static constexpr int kValue = kValueOf;
  static constexpr Widths kWidths = {kModel, kHidden, kKey, kValue};

  static constexpr int kHead = 2 * kKey + kValue;  // outputs of qkv for a head
  // Warps that share the inputs of a tile of outputs (ProductWarps), and tiles of a block.
  static constexpr int kModelGroups = kModel / kGroup;
  static constexpr int kModelTeams = kWarps / kModelGroups;
  static constexpr int kHiddenGroups = kHidden / kGroup;
  static constexpr int kDownWarps = kHiddenGroups < kWarps ? kHiddenGroups : kWarps;
  static constexpr int kDownRounds = kHiddenGroups / kDownWarps;
  // Attention: lanes that read a key, 8 elements each.
  static constexpr int kKeyLanes = kKey / 8;

  static_assert(kModel % 128 == 0 && kModelGroups <= kWarps);
  static_assert(kWarps % kModelGroups == 0 && kWarps % kDownWarps == 0);
  static_assert(kHiddenGroups % kDownWarps == 0 && kDownRounds <= 2);
};

// visit(sizes) for each shape until one returns true; whether one did.
template <typename Visit>
bool VisitSizes(Visit&& visit) {
  return visit(Sizes<512, 2048, 32, 32>()) || visit(Sizes<512, 2048, 64, 64>());
}

#ifdef __CUDACC__
// Has what is computed from `value` computed anew, instead of kept in registers over all layers.
__device__ __forceinline__ void Forget(int& value) { asm volatile("" : "+r"(value)); }
#endif

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_GRID_SIZES_H_
