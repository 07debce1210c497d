#include <algorithm>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/prefill_attention.h"
#include "engine/cuda/kernels/prefill_attention_kernel.cuh"
#include "engine/cuda/kernels/prefill_attention_mapped.h"
#include "engine/cuda/kernels/prefill_attention_plain.h"

namespace strided::cuda {
namespace {

template <typename Kernel>
absl::Status LaunchOrder(const PrefillAttention& attention, QueryOrder order, const QueryGrid& grid,
                         bool dependent, cudaStream_t stream) {
  using Sizes = typename Kernel::Sizes;
  if (Sizes::kByWarpgroups && CanMapKeys(attention, grid)) {
    return LaunchMappedAttention(attention, Sizes::kOperand, order, grid, dependent, stream);
  }
  // Where a block has more queries than were planned, some blocks find none left.
  const int queries = std::max(grid.tile_queries, Kernel::kLeastQueries);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(grid.tiles), static_cast<unsigned>(attention.n_head));
  shape.block = dim3(static_cast<unsigned>(queries * 32 / kWarpQueries));
  shape.shared_bytes = static_cast<size_t>(Kernel::SharedBytes(attention.d_key, queries));
  shape.dependent = dependent;
  return Launch("prefill attention", PrefillAttentionKernel<Kernel>, shape, stream, attention,
                order);
}

template <typename Kernel>
absl::Status LaunchOrders(const PrefillAttention& attention, const AttentionGrids& grids,
                          bool dependent, cudaStream_t stream) {
  if (grids.columns.tiles > 0) {
    RETURN_IF_ERROR(
        LaunchOrder<Kernel>(attention, QueryOrder::kColumns, grids.columns, dependent, stream));
  }
  if (grids.consecutive.tiles == 0) return absl::OkStatus();
  return LaunchOrder<Kernel>(attention, QueryOrder::kConsecutive, grids.consecutive, dependent,
                             stream);
}

// The kernel follows from the device and the widths alone.
template <Operand kOperand>
absl::Status LaunchWidths(const PrefillAttention& attention, const AttentionGrids& grids,
                          bool dependent, cudaStream_t stream) {
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  const int d_key = attention.d_key;
  const int d_value = attention.d_value;
  const auto launch = [&]<int kKeySteps, int kValueTiles, int kKeys>() {
    constexpr bool kNarrow = kKeySteps > 0;
    if (kNarrow && device.has_warpgroups) {
      return LaunchOrders<AttentionKernel<
          AttentionSizes<kOperand, kKeySteps, kValueTiles, kKeys,
                         kNarrow ? AttentionWay::kWarpgroups : AttentionWay::kWarps>>>(
          attention, grids, dependent, stream);
    }
    return LaunchOrders<AttentionKernel<AttentionSizes<kOperand, kKeySteps, kValueTiles, kKeys>>>(
        attention, grids, dependent, stream);
  };
  if (d_key == 32 && d_value == 32) return launch.template operator()<2, 4, 64>();
  if (d_key == 64 && d_value == 64) return launch.template operator()<4, 8, 64>();
  if (d_key == 64 && d_value == 128) return launch.template operator()<4, 16, 64>();
  if (d_value <= 32) return launch.template operator()<0, 4, 64>();
  if (d_value <= 64) return launch.template operator()<0, 8, 64>();
  // Wider keys leave no room for tiles of 64 beside 128 queries on devices of 8.0.
  if (d_value <= 128 && d_key <= 128) return launch.template operator()<0, 16, 64>();
  return launch.template operator()<0, 32, 32>();
}

}  // namespace

absl::Status LaunchPrefillAttention(const PrefillAttention& attention, Operand operand,
                                    const AttentionGrids& grids, bool dependent,
                                    cudaStream_t stream) {
  if (!HasTensorAttention(operand, attention.d_key, attention.d_value)) {
    return LaunchPrefillAttentionPlain(attention, operand, dependent, stream);
  }
  if (operand == Operand::kFloat16) {
    return LaunchWidths<Operand::kFloat16>(attention, grids, dependent, stream);
  }
  return LaunchWidths<Operand::kBfloat16>(attention, grids, dependent, stream);
}

}  // namespace strided::cuda
