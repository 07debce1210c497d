// The inputs of a block's columns, in the operand's type, to shared memory.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_STAGING_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_STAGING_CUH_

#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_block.cuh"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda::product {

// How a product's inputs are made. A kernel has the code of one way alone: a step's kernels run
// each instruction once, so that what fetches instructions is fetched for nothing otherwise.
enum class Staging {
  kOperandOnce,   // `in`, with at most one group of inputs for each warp
  kOperandTwice,  // with at most two
  kOperand,
  kNormed256,  // the norm of rows that a warp holds, of at most so many inputs: one group
  kNormed512,
  kNormed1024,
  kNormedAny,
};

constexpr bool IsOperand(Staging staging) { return staging <= Staging::kOperand; }
constexpr bool HoldsRows(Staging staging) {
  return staging >= Staging::kNormed256 && staging <= Staging::kNormed1024;
}
// Groups of a warp that are in flight, and whether it has no others.
constexpr int RoundsOf(Staging staging) {
  return staging == Staging::kOperandOnce || HoldsRows(staging) ? 1 : kRounds;
}
constexpr bool HasAllInFlight(Staging staging) {
  return staging != Staging::kOperand && staging != Staging::kNormedAny;
}

inline Staging StagingOf(const DecodeProduct& p) {
  const int inputs = p.matrix.inputs;
  if (!p.normed) {
    constexpr int kOnce = kMaxWarps * kGroupInputs;
    if (inputs <= kOnce) return Staging::kOperandOnce;
    return inputs <= kRounds * kOnce ? Staging::kOperandTwice : Staging::kOperand;
  }
  if (p.norm.weight == nullptr || !IsHeld(inputs)) return Staging::kNormedAny;
  if (inputs <= 256) return Staging::kNormed256;
  return inputs <= 512 ? Staging::kNormed512 : Staging::kNormed1024;
}

// kRows rows to a warp at a time.
template <Operand kOperand, int kVectors, int kRows>
__device__ __forceinline__ void StageHeld(const DecodeProduct& p, const DeviceNorm& norm,
                                          const Columns& columns, int begin, int end, int stride,
                                          typename OperandTraits<kOperand>::Type* staged) {
  const int64_t width = p.matrix.inputs;
  const int warps = blockDim.x / 32;
#pragma unroll 1
  for (int c = threadIdx.x / 32 * kRows; c < columns.count; c += warps * kRows) {
    const float* const rows = p.hidden + (columns.first_row + c) * width;
    auto* const to = staged + c * stride - begin;
    NormaliseHeld<kVectors, kRows>(rows, width, min(kRows, columns.count - c), p.matrix.inputs,
                                   norm, begin, end, [&](int r, int i, const float4& y) {
                                     using Traits = OperandTraits<kOperand>;
                                     const uint2 packed =
                                         make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
                                     *reinterpret_cast<uint2*>(to + r * stride + i) = packed;
                                   });
  }
}

template <Operand kOperand>
__device__ __forceinline__ void StageAny(const DecodeProduct& p, const DeviceNorm& norm,
                                         const Columns& columns, int begin, int end, int stride,
                                         typename OperandTraits<kOperand>::Type* staged) {
  const int width = p.matrix.inputs;
#pragma unroll 1
  for (int c = threadIdx.x / 32; c < columns.count; c += blockDim.x / 32) {
    auto* const to = staged + c * stride - begin;
    NormaliseRow(p.hidden + static_cast<int64_t>(columns.first_row + c) * width, width, norm, begin,
                 end, [&](int i, float value) { to[i] = OperandTraits<kOperand>::From(value); });
  }
}

template <Operand kOperand>
__device__ __forceinline__ void StageOperand(const DecodeProduct& p, const Columns& columns,
                                             int begin, int end, int stride,
                                             typename OperandTraits<kOperand>::Type* staged) {
  using Type = typename OperandTraits<kOperand>::Type;
  constexpr int kVector = 16 / sizeof(Type);
  const int64_t inputs = p.matrix.inputs;
  const auto* const in = reinterpret_cast<const Type*>(p.in) + columns.first_row * inputs + begin;
  const int warps = blockDim.x / 32;
  const int lane = threadIdx.x % 32;
#pragma unroll 1
  for (int c = threadIdx.x / 32; c < columns.count; c += warps) {
    const Type* const from = in + c * inputs;
    Type* const to = staged + c * stride;
    if (inputs % kVector == 0) {
      for (int i = lane * kVector; i < end - begin; i += 32 * kVector) {
        CopyAsync(SharedAddress(to + i), from + i, /*valid=*/true);
      }
    } else {
#pragma unroll 1
      for (int i = lane; i < end - begin; i += 32) to[i] = from[i];
    }
  }
}

template <Operand kOperand, Staging kStaging, int kColumnTiles>
__device__ __forceinline__ void Stage(const DecodeProduct& p, const DeviceNorm& norm,
                                      const Columns& columns, int begin, int end, int stride,
                                      typename OperandTraits<kOperand>::Type* staged) {
  if constexpr (IsOperand(kStaging)) {
    StageOperand<kOperand>(p, columns, begin, end, stride, staged);
  } else if constexpr (kStaging == Staging::kNormed256) {
    constexpr int kRows = kColumnTiles == 4 ? 4 : 2;
    StageHeld<kOperand, 2, kRows>(p, norm, columns, begin, end, stride, staged);
  } else if constexpr (kStaging == Staging::kNormed512) {
    constexpr int kRows = kColumnTiles == 1 ? 1 : 2;
    StageHeld<kOperand, 4, kRows>(p, norm, columns, begin, end, stride, staged);
  } else if constexpr (kStaging == Staging::kNormed1024) {
    StageHeld<kOperand, 8, 1>(p, norm, columns, begin, end, stride, staged);
  } else {
    StageAny<kOperand>(p, norm, columns, begin, end, stride, staged);
  }
}

// Zeros where a step goes beyond the matrix's inputs: weights are zeros there, but what shared
// memory holds may be no number.
template <Operand kOperand>
__device__ __forceinline__ void StagePadding(const Columns& columns, int inputs, int padded,
                                             int stride,
                                             typename OperandTraits<kOperand>::Type* staged) {
  const int padding = padded - inputs;
#pragma unroll 1
  for (int e = threadIdx.x; e < columns.count * padding; e += blockDim.x) {
    staged[e / padding * stride + inputs + e % padding] = OperandTraits<kOperand>::From(0.0f);
  }
}

// The norm's vectors to shared memory; the norm with their place there.
__device__ __forceinline__ DeviceNorm FetchNorm(const DeviceNorm& norm, int width, float* shared) {
#pragma unroll 1
  for (int i = threadIdx.x * 4; i < width; i += blockDim.x * 4) {
    *reinterpret_cast<float4*>(shared + i) = *reinterpret_cast<const float4*>(norm.weight + i);
    *reinterpret_cast<float4*>(shared + width + i) =
        *reinterpret_cast<const float4*>(norm.bias + i);
  }
  DeviceNorm moved = norm;
  moved.weight = shared;
  moved.bias = shared + width;
  return moved;
}

}  // namespace strided::cuda::product

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_STAGING_CUH_
