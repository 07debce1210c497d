// A pass of one of a step's products, by the product warps of a group: outputs of this block for
// the group's sequences.
//
//   weights  A operand: this block's tiles, as a RingReader or LayerReader has them
//   operand  B operand: the pass's inputs, in shared memory
//   sums     [warp][column][pitch] float32: each warp's share of every output
//
// Of the 16 steps of a chunk, part p has steps 4 p to 4 p + 3 (of 8 or 4 steps 2 or 1 each); a sum
// is the sum over the parts, as (0 + 1) + (2 + 3). A team's warps share the parts evenly: four
// warps, two or one. A lane that finishes outputs has four in a row, of one column:
// own_outputs.cuh.
//
// A layer norm goes before the product without being computed: with x the operand, W' the weights
// times the norm's weight and b' = b + W (the norm's bias), both made when the model is loaded,
//   W norm(x) + b = (W' x - mean(x) rowsum(W')) / sqrt(var(x) + epsilon) + b',
// and the sums of x and of its squares come from the tensor cores as well (Moments).

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_CUH_

#include <cstdint>
#include <type_traits>

#include "engine/cuda/cluster/own_outputs.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/fragments.cuh"

namespace strided::cuda::cluster {

using Bfloat16 = OperandTraits<Operand::kBfloat16>;

__device__ __forceinline__ float4 Sum(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

__device__ __forceinline__ void MultiplyBfloat16(float (&sums)[4], const uint4& a, uint2 b) {
  const uint32_t fragment[4] = {a.x, a.y, a.z, a.w};
  MultiplyTile<Operand::kBfloat16>(sums, fragment, b.x, b.y);
}

// Sum and sum of squares of the lane's operand column, by the same product: the operand's own
// columns are rows 0 to 7 of A, ones the others.
class MomentSums {
 public:
  __device__ __forceinline__ void Add(uint2 b, int chain) {
    constexpr uint32_t kOnes = 0x3F803F80;  // two ones
    MultiplyBfloat16(sums_[chain], make_uint4(b.x, kOnes, b.y, kOnes), b);
  }
  // Column g's are in lane (g, g / 2).
  __device__ __forceinline__ void Write(uint32_t moments, int part, const LaneOf& at) const {
    if (at.quad != at.column / 2) return;
    const bool odd = at.column % 2 != 0;
    const float squares = odd ? sums_[0][1] + sums_[1][1] : sums_[0][0] + sums_[1][0];
    const float sum = odd ? sums_[0][3] + sums_[1][3] : sums_[0][2] + sums_[1][2];
    Store(moments + (part * kColumns + at.column) * 8, make_float2(sum, squares));
  }

 private:
  float sums_[2][4] = {};
};

// As rsqrtf, but that what is below the normal numbers is 0: four instructions fewer.
__device__ __forceinline__ float ReciprocalRoot(float x) {
  float root;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(x));
  return root;
}

// What a norm does to a column.
struct Normaliser {
  float mean = 0;
  float factor = 1;

  // Of an operand of `kWidth` inputs, whose moments MomentSums has written.
  template <int kWidth>
  static __device__ __forceinline__ Normaliser Of(uint32_t moments, int column, float epsilon) {
    float2 share[kParts];
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const uint2 bits = Load8(moments + (part * kColumns + column) * 8);
      share[part] = make_float2(__uint_as_float(bits.x), __uint_as_float(bits.y));
    }
    constexpr float kInverseWidth = 1.0F / kWidth;
    const float sum = (share[0].x + share[1].x) + (share[2].x + share[3].x);
    const float squares = (share[0].y + share[1].y) + (share[2].y + share[3].y);
    Normaliser norm;
    norm.mean = sum * kInverseWidth;
    const float variance = fmaf(-norm.mean, norm.mean, squares * kInverseWidth);
    norm.factor = ReciprocalRoot(fmaxf(variance, 0.0F) + epsilon);
    return norm;
  }
  __device__ __forceinline__ float4 Apply(float4 x, float4 row_sums, float4 bias) const {
    return make_float4(One(x.x, row_sums.x, bias.x), One(x.y, row_sums.y, bias.y),
                       One(x.z, row_sums.z, bias.z), One(x.w, row_sums.w, bias.w));
  }

 private:
  __device__ __forceinline__ float One(float x, float row_sum, float bias) const {
    return fmaf(factor, fmaf(-mean, row_sum, x), bias);
  }
};

// Inputs of a product, bfloat16 in shared memory: [step][column][16], or with other strides.
struct OperandPlace {
  uint32_t first = 0;  // address
  int step_bytes = kOperandBytes;
  int column_bytes = kColumnBytes;

  // The same from step `step` on.
  __device__ __forceinline__ OperandPlace From(int step) const {
    return {first + step * step_bytes, step_bytes, column_bytes};
  }
  // The lane's four elements of a step.
  __device__ __forceinline__ uint2 Read(int step, const LaneOf& at) const {
    return Load8(first + step * step_bytes + at.column * column_bytes + at.quad * 8);
  }
};

// What is added to a tile's outputs, four of a lane.
struct TileConstants {
  float4 row_sums;
  float4 bias;

  // Of a tile whose chunks are the pass's `first` and on.
  template <int kChunks, typename Reader>
  static __device__ __forceinline__ TileConstants Of(const Reader& weights, int first, int quad) {
    TileConstants constants = {LoadFloats(weights.Chunk(first) + kRowSumsAt + quad * 16),
                               LoadFloats(weights.Chunk(first) + kBiasAt + quad * 16)};
#pragma unroll
    for (int chunk = 1; chunk < kChunks; ++chunk) {
      constants.row_sums = Sum(constants.row_sums,
                               LoadFloats(weights.Chunk(first + chunk) + kRowSumsAt + quad * 16));
    }
    return constants;
  }
};

// A pass of a stage of `kSize`. kWarps: of a team. kMostHeld: fragments of weights, four registers
// each, that are read ahead.
template <StageSize kSize, bool kNormed, int kWarps, int kMostHeld>
class Product {
  static constexpr int kTiles = kSize.pass_tiles();
  static constexpr int kChunks = kSize.pass_chunks();
  static constexpr int kChunkPartSteps = kSize.steps / kParts;  // of a chunk, a part's
  static constexpr int kOwnParts = kParts / kWarps;             // of a warp
  // Few tiles would wait for each other.
  static constexpr int kChains = kTiles <= 2 ? 2 : 1;

  // Sums over the inputs of a part, of the products in turn.
  struct PartSums {
    float of[kChains][kTiles][4] = {};

    __device__ __forceinline__ float Total(int tile, int i) const {
      const float first = of[0][tile][i];
      return kChains == 1 ? first : first + of[kChains - 1][tile][i];
    }
  };
  // Over those of several parts.
  struct WholeSums {
    float of[kTiles][4] = {};

    __device__ __forceinline__ float Total(int tile, int i) const { return of[tile][i]; }
  };
  template <class A, class B>
  static __device__ __forceinline__ WholeSums SumOf(const A& a, const B& b) {
    WholeSums sums;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums.of[tile][i] = a.Total(tile, i) + b.Total(tile, i);
    }
    return sums;
  }

 public:
  // A warp's share of the pass's outputs, in registers.
  class Share {
   public:
    // To its place among `sums`.
    __device__ __forceinline__ void Write(uint32_t sums, int pitch, const LaneOf& at) const {
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        float total[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) total[i] = sums_.Total(tile, i);
        WriteTile(total, sums + (at.warp * kColumns * pitch + tile * kTile) * 4, pitch, at);
      }
    }

   private:
    friend Product;
    std::conditional_t<kOwnParts == 1, PartSums, WholeSums> sums_;
  };

  // Reads weights ahead of the operand. Requires that the pass's chunks are there.
  template <typename Reader>
  __device__ __forceinline__ void Fetch(const Reader& weights, const LaneOf& at) {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) held_[i] = Fragment(weights, at, i);
  }

  // Writes the warp's share of every output, and where `with_moments` of the operand's
  // moments. Requires that kNormed is.
  template <typename Reader>
  __device__ __forceinline__ void Multiply(const Reader& weights, const LaneOf& at,
                                           const OperandPlace& operand, uint32_t sums, int pitch,
                                           uint32_t moments, bool with_moments) const {
    Share share;
    Add(weights, at, operand, share, moments, with_moments);
    share.Write(sums, pitch, at);
  }
  // Adds to the share, which is 0 where a warp has several parts; writes that of the moments as
  // well.
  template <typename Reader>
  __device__ __forceinline__ void Add(const Reader& weights, const LaneOf& at,
                                      const OperandPlace& operand, Share& share, uint32_t moments,
                                      bool with_moments) const {
    static_assert(kOwnParts == 1 || kOwnParts == 2 || kOwnParts == 4);
    if constexpr (kOwnParts == 1) {
      AddPart(weights, at, operand, 0, share.sums_, moments, with_moments);
    } else {
      // One part after the other: registers are few.
      const auto part = [&](int own) {
        PartSums sums;
        AddPart(weights, at, operand, own, sums, moments, with_moments);
        return sums;
      };
      const PartSums first = part(0);
      share.sums_ = SumOf(first, part(1));
      if constexpr (kOwnParts == 4) {
        const PartSums third = part(2);
        share.sums_ = SumOf(share.sums_, SumOf(third, part(3)));
      }
    }
  }

 private:
  static constexpr int kPartSteps = kChunks * kChunkPartSteps;
  static constexpr int kSteps = kOwnParts * kPartSteps;  // of a warp
  static constexpr int kHeld = kTiles * kSteps < kMostHeld ? kTiles * kSteps : kMostHeld;

  // The warp's part number `own`.
  template <typename Reader>
  __device__ __forceinline__ void AddPart(const Reader& weights, const LaneOf& at,
                                          const OperandPlace& operand, int own, PartSums& sums,
                                          uint32_t moments, bool with_moments) const {
    uint2 inputs[kPartSteps];
#pragma unroll
    for (int i = 0; i < kPartSteps; ++i) {
      inputs[i] = operand.Read(StepOf(at, own * kPartSteps + i), at);
    }
    MomentSums moment_sums;
#pragma unroll
    for (int of_part = 0; of_part < kPartSteps; ++of_part) {
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        const int i = (own * kPartSteps + of_part) * kTiles + tile;
        const uint4 fragment = i < kHeld ? held_[i < kHeld ? i : 0] : Fragment(weights, at, i);
        MultiplyBfloat16(sums.of[of_part % kChains][tile], fragment, inputs[of_part]);
      }
      if (kNormed && with_moments) moment_sums.Add(inputs[of_part], of_part % 2);
    }
    if (kNormed && with_moments) moment_sums.Write(moments, at.warp * kOwnParts + own, at);
  }
  // Of a chunk, the warp's `step`-th step of all its parts'.
  static __device__ __forceinline__ int OfChunk(const LaneOf& at, int step) {
    return (at.warp * kOwnParts + step / kPartSteps) * kChunkPartSteps + step % kChunkPartSteps;
  }
  static constexpr int ChunkOf(int step) { return step % kPartSteps / kChunkPartSteps; }
  // The step of the operand that is the warp's `step`-th.
  static __device__ __forceinline__ int StepOf(const LaneOf& at, int step) {
    return ChunkOf(step) * kChunkSteps + OfChunk(at, step);
  }
  template <typename Reader>
  static __device__ __forceinline__ uint4 Fragment(const Reader& weights, const LaneOf& at, int i) {
    const int step = i / kTiles;
    const uint32_t chunk = weights.Chunk(i % kTiles * kChunks + ChunkOf(step));
    return Load16(chunk + OfChunk(at, step) * kStepBytes + at.lane * 16);
  }
  // Lane 4 g + t holds outputs g and g + 8 of columns 2 t and 2 t + 1.
  static __device__ __forceinline__ void WriteTile(const float (&total)[4], uint32_t tile,
                                                   int pitch, const LaneOf& at) {
    const uint32_t first = tile + (2 * at.quad * pitch + at.column) * 4;
    Store(first, total[0]);
    Store(first + pitch * 4, total[1]);
    Store(first + 8 * 4, total[2]);
    Store(first + (pitch + 8) * 4, total[3]);
  }

  uint4 held_[kHeld];
};

// A team's warps' shares of four outputs in a row.
template <int kWarps>
struct SharesOfFour {
  float4 of[kWarps];

  // Outputs 4 quad to 4 quad + 3 of a tile, of a column. After a barrier of the team.
  static __device__ __forceinline__ SharesOfFour Read(uint32_t sums, int pitch, int tile,
                                                      int column, int quad) {
    SharesOfFour shares;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      shares.of[warp] =
          LoadFloats(sums + ((warp * kColumns + column) * pitch + tile * kTile + quad * 4) * 4);
    }
    return shares;
  }
  __device__ __forceinline__ float4 Total() const {
    if constexpr (kWarps == 1) return of[0];
    const float4 low = Sum(of[0], of[kWarps > 1 ? 1 : 0]);
    if constexpr (kWarps == 2) return low;
    return Sum(low, Sum(of[kWarps / 2], of[kWarps - 1]));
  }
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_CUH_
