#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_copied.cuh"
#include "engine/cuda/kernels/attention_early.cuh"
#include "engine/cuda/kernels/attention_stream.cuh"
#include "engine/cuda/kernels/block_spread.h"
#include "engine/cuda/kernels/byte_attention.cuh"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda {
namespace {

using namespace attention;

// -- Heads of any width and type: a warp per key, a thread per value.

constexpr int kAnyWarps = 8;

template <Operand kOperand>
__global__ void __launch_bounds__(32 * kAnyWarps)
    AnyAttentionKernel(const __grid_constant__ DecodeAttention a) {
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  __shared__ int rows[kAttentionChunk];
  __shared__ float scores[kAttentionChunk];
  WaitForGridBefore();
  LetNextGridStart();
  Query query;
  if (!FindQuery(a, sizeof(Type), query)) return;
  const int chunk = blockIdx.x;
  const int count = query.KeysOf(chunk);
  if (count <= 0 && chunk > 0) return;
  ListRows(query, chunk, rows);
  __syncthreads();
  const auto* const keys = reinterpret_cast<const Type*>(query.keys_at);
  const auto* const values = reinterpret_cast<const Type*>(query.values_at);
  const float* const own = a.queries + query.IndexIn(a) * a.d_key;
  for (int k = threadIdx.x / 32; k < count; k += kAnyWarps) {
    const Type* const key = keys + static_cast<int64_t>(rows[k]) * a.d_key;
    float product = 0;
    for (int i = threadIdx.x % 32; i < a.d_key; i += 32) {
      product = fmaf(__ldcg(own + i), Traits::ToFloat(__ldcg(key + i)), product);
    }
    product = WarpSum(product);
    if (threadIdx.x % 32 == 0) scores[k] = product * (a.scale * kLog2OfE);
  }
  __syncthreads();
  const float largest = LargestScore(scores, count);
  float weights = 0;
  for (int k = 0; k < count; ++k) weights += Exp2(scores[k] - largest);
  float* const shares = SharesOf(a, query);
  WriteShare<kOperand>(a, query, chunk, largest, weights, shares, [&](int i) {
    float sum = 0;
    for (int k = 0; k < count; ++k) {
      const int64_t row = rows[k];
      const float value = Traits::ToFloat(__ldcg(values + row * a.d_value + i));
      sum = fmaf(Exp2(scores[k] - largest), value, sum);
    }
    return sum;
  });
  if (query.chunks > 1) Arrive<kOperand>(a, query, query.chunks);
}

// -- The choice of a kernel, and its launch.

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

LaunchShape ShapeOf(const DecodeAttention& a, int blocks, int warps, size_t shared_bytes) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(a.n_head),
                    static_cast<unsigned>(a.rows));
  shape.block = dim3(static_cast<unsigned>(32 * warps));
  shape.shared_bytes = shared_bytes;
  shape.dependent = true;
  shape.in_decode_step = true;
  return shape;
}

template <Operand kOperand, int kKeyLanes, int kValueLanes, int kTeams>
absl::Status LaunchCopied(const DecodeAttention& a, const CurrentDevice& device,
                          cudaStream_t stream) {
  constexpr int kTeamWarps = kAttentionChunk / 32;
  using Head = CopiedHead<kOperand, kTeamWarps, kKeyLanes, kValueLanes>;
  using Copied = CopiedAttention<Head, kTeams>;
  const int bytes =
      CopiedSharedBytes(static_cast<int>(sizeof(typename Copied::Memory)), kTeams,
                        a.rows * a.n_head / kTeams, device.multiprocessors, device.shared_bytes);
  LaunchShape shape = ShapeOf(a, 1, kTeams * kTeamWarps, static_cast<size_t>(bytes));
  shape.grid.y /= kTeams;
  return Launch("decode attention", CopiedAttentionKernel<Copied>, shape, stream, a);
}

// Heads of a block of copied keys; 0: the attention is computed in another way.
template <int kWarps, int kKeyLanes, int kValueLanes>
absl::StatusOr<int> CopiedHeads(const DecodeAttention& a, const CurrentDevice& device) {
  const bool fills_lanes = a.d_key == kKeyLanes * kVector && a.d_value == kValueLanes * kVector;
  if (kWarps * 32 != kAttentionChunk || !fills_lanes || a.chunks > 1 || a.blocks > 0) return 0;
  ASSIGN_OR_RETURN(const bool has_clusters, HasClusters());
  return has_clusters ? ChooseCopiedHeads(a.rows, a.n_head, device.multiprocessors) : 0;
}

// As streams; false: a block does not fit.
template <Operand kOperand, int kWarps, int kKeyLanes, int kValueLanes>
absl::StatusOr<bool> LaunchStream(const DecodeAttention& a, const CurrentDevice& device,
                                  cudaStream_t stream) {
  using Stream = StreamShape<kOperand, kWarps, kKeyLanes, kValueLanes>;
  const StreamSizes sizes = StreamSizes::Of(a, Stream::kTeams);
  const int shared_bytes = StreamSizes::RoundUp(Stream::kTeams * sizeof(typename Stream::Shared));
  if (sizes.bytes + shared_bytes > device.shared_bytes) return false;
  const int blocks = a.blocks > 0 ? CeilDivide(a.blocks * a.rows * a.n_head, Stream::kTeams)
                                  : device.multiprocessors;
  LaunchShape shape = ShapeOf(a, 1, 1, static_cast<size_t>(sizes.bytes));
  shape.grid = dim3(static_cast<unsigned>(blocks));
  shape.block = dim3(Stream::kThreads);
  RETURN_IF_ERROR(
      Launch("decode attention", StreamAttentionKernel<Stream>, shape, stream, a, sizes));
  return true;
}

template <Operand kOperand, int kWarps, int kKeyLanes, int kValueLanes>
absl::Status LaunchVectors(const DecodeAttention& a, const CurrentDevice& device,
                           cudaStream_t stream) {
  ASSIGN_OR_RETURN(const int heads, (CopiedHeads<kWarps, kKeyLanes, kValueLanes>(a, device)));
  if constexpr (kWarps * 32 == kAttentionChunk) {
    if (heads == 2) return LaunchCopied<kOperand, kKeyLanes, kValueLanes, 2>(a, device, stream);
    if (heads == 1) return LaunchCopied<kOperand, kKeyLanes, kValueLanes, 1>(a, device, stream);
  }
  ASSIGN_OR_RETURN(const bool has_clusters, HasClusters());  // so bulk copies too
  const bool streams = a.blocks > 0 ? a.blocks < a.chunks
                                    : IsStream(a.rows * a.n_head, a.chunks, device.multiprocessors);
  if (has_clusters && streams) {
    ASSIGN_OR_RETURN(const bool launched,
                     (LaunchStream<kOperand, kWarps, kKeyLanes, kValueLanes>(a, device, stream)));
    if (launched) return absl::OkStatus();
  }
  using Early = EarlyAttention<kOperand, kWarps, kKeyLanes, kValueLanes>;
  return Launch("decode attention", EarlyAttentionKernel<Early>, ShapeOf(a, a.chunks, kWarps, 0),
                stream, a);
}

// -- Over int8 caches.

template <Operand kOperand, int kKeyParts, int kValueParts>
absl::Status LaunchBytes(const DecodeAttention& a, cudaStream_t stream) {
  using Bytes = ByteAttention<kOperand, kKeyParts, kValueParts>;
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  const int share_bytes = (a.d_value + 2) * static_cast<int>(sizeof(float));
  const int room = device.shared_bytes - kMostKeptShares * share_bytes;
  ByteAttentionShape shape = ChooseByteAttention(a.rows * a.n_head, a.chunks,
                                                 room / Bytes::kWarpBytes, device.multiprocessors);
  if (a.blocks > 0) shape.blocks = a.blocks;
  // A query that has no more chunks than a block has warps is one block's.
  const int kept = shape.blocks == 1 ? a.chunks : shape.warps;
  const size_t bytes = static_cast<size_t>(shape.warps * Bytes::kWarpBytes + kept * share_bytes);
  return Launch("decode attention", ByteAttentionKernel<Bytes>,
                ShapeOf(a, shape.blocks, shape.warps, bytes), stream, a);
}

template <Operand kOperand>
absl::Status LaunchBytesOf(const DecodeAttention& a, cudaStream_t stream) {
  const auto fits = [&](int key, int value) { return a.d_key <= key && a.d_value <= value; };
  if (fits(32, 32)) return LaunchBytes<kOperand, 2, 2>(a, stream);
  if (fits(64, 64)) return LaunchBytes<kOperand, 4, 4>(a, stream);
  if (fits(64, 128)) return LaunchBytes<kOperand, 4, 8>(a, stream);
  if (fits(128, 128)) return LaunchBytes<kOperand, 8, 8>(a, stream);
  return LaunchBytes<kOperand, 16, 16>(a, stream);
}

// Lanes that read one row: the power of two from 2 to 32 that holds its vectors; 0 where it is not
// read in vectors.
int LanesOf(int width) {
  if (width % kVector != 0 || width > kMaxWidth) return 0;
  int lanes = 2;
  while (lanes * kVector < width) lanes *= 2;
  return lanes;
}

template <Operand kOperand>
absl::Status LaunchOperand(const DecodeAttention& a, cudaStream_t stream) {
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  const auto launch = [&]<int kWarps, int kKeyLanes, int kValueLanes>() {
    return LaunchVectors<kOperand, kWarps, kKeyLanes, kValueLanes>(a, device, stream);
  };
  const int key_lanes = LanesOf(a.d_key);
  const int value_lanes = LanesOf(a.d_value);
  if constexpr (kOperand != Operand::kFloat32) {
    if (a.fresh != nullptr) return LaunchBytesOf<kOperand>(a, stream);
    // The released CIFAR-10 networks: keys of 64, values of 128.
    if (key_lanes == 8 && value_lanes == 16) return launch.template operator()<8, 8, 16>();
    // Otherwise keys and values are read by as many lanes as the wider of them takes.
    switch (key_lanes > 0 && value_lanes > 0 ? std::max(key_lanes, value_lanes) : 0) {
      case 2:
        return launch.template operator()<4, 2, 2>();
      case 4:
        return launch.template operator()<4, 4, 4>();
      case 8:
        return launch.template operator()<4, 8, 8>();
      case 16:
        return launch.template operator()<8, 16, 16>();
      case 32:
        return launch.template operator()<8, 32, 32>();
      default:
        break;
    }
  }
  return Launch("decode attention", AnyAttentionKernel<kOperand>,
                ShapeOf(a, a.chunks, kAnyWarps, 0), stream, a);
}

}  // namespace

bool IsStream(int queries, int chunks, int multiprocessors) {
  constexpr int kChunksOfMultiprocessor = 40;  // with fewer a stream is under way for too short
  return int64_t{queries} * chunks > int64_t{kChunksOfMultiprocessor} * multiprocessors;
}

int ChooseCopiedHeads(int rows, int n_head, int multiprocessors) {
  const int queries = rows * n_head;  // at one and a half, at three to a multiprocessor
  if (2 * queries < 3 * multiprocessors) return 0;
  return queries >= 3 * multiprocessors && n_head % 2 == 0 ? 2 : 1;
}

int CopiedSharedBytes(int used, int heads, int blocks, int multiprocessors, int most_bytes) {
  constexpr int kHeads = 2;
  constexpr int kShare = 3;
  const int share = (blocks + multiprocessors - 1) / multiprocessors;
  if (heads != kHeads || share != kShare) return used;
  return std::max(used, BytesOfAtMost(kShare, most_bytes));
}

ByteAttentionShape ChooseByteAttention(int queries, int chunks, int most_warps,
                                       int multiprocessors) {
  constexpr int kWarpsOfMultiprocessor = 12;  // that it has shared memory for
  ByteAttentionShape shape;
  shape.warps = std::min({chunks, most_warps, kMostByteWarps});
  const int enough = kWarpsOfMultiprocessor * multiprocessors;
  const int most = (chunks + shape.warps - 1) / shape.warps;
  shape.blocks = std::clamp(enough / (queries * shape.warps), 1, most);
  if (shape.blocks == 1 && chunks > kMostKeptShares) shape.blocks = 2;
  return shape;
}

absl::Status LaunchDecodeAttention(const DecodeAttention& attention, cudaStream_t stream) {
  switch (attention.operand) {
    case Operand::kFloat32:
      return LaunchOperand<Operand::kFloat32>(attention, stream);
    case Operand::kFloat16:
      return LaunchOperand<Operand::kFloat16>(attention, stream);
    case Operand::kBfloat16:
      return LaunchOperand<Operand::kBfloat16>(attention, stream);
  }
  return absl::InternalError("no attention for this operand");
}

}  // namespace strided::cuda
