#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/prefill_attention_mapped.cuh"
#include "engine/cuda/kernels/prefill_attention_mapped.h"
#include "engine/cuda/kernels/tile_map.h"

namespace strided::cuda {
namespace {

constexpr int kShortKey = 32;
constexpr int kLongKey = 64;
constexpr int kLongValue = 128;

// Heads of 64 and 64 are not among them: of their kernel ptxas 13.0 loses the queries after the
// first tile of keys.
bool HasWidths(int d_key, int d_value) {
  return (d_key == kShortKey && d_value == kShortKey) ||
         (d_key == kLongKey && d_value == kLongValue);
}

// Positions from a key to the next one; 0: they are not all as far apart.
int KeyStepOf(const HeadRows& head) {
  if (head.kind == PatternKind::kStrided) return head.period;
  return head.kind == PatternKind::kLocal ? 1 : 0;
}

template <class Sizes, QueryOrder kOrder>
absl::Status LaunchOrder(const PrefillAttention& attention, const QueryGrid& grid, bool dependent,
                         cudaStream_t stream) {
  using Kernel = MappedAttention<Sizes, kOrder>;
  ASSIGN_OR_RETURN(const CUtensorMap map,
                   MapRowsApart({.rows = attention.qkv,
                                 .operand = Sizes::kOperand,
                                 .columns = attention.n_head * Kernel::kHeadWidth,
                                 .row_count = attention.rows.row_count,
                                 .stride = attention.qkv_stride,
                                 .tile_rows = Kernel::kKeys},
                                KeyStepOf(grid.pattern)));
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(grid.tiles), static_cast<unsigned>(attention.n_head));
  shape.block = dim3(Kernel::kThreads);
  shape.shared_bytes = Kernel::kSharedBytes;
  shape.dependent = dependent;
  return Launch("prefill attention", MappedAttentionKernel<Kernel>, shape, stream, attention,
                grid.pattern, map);
}

template <Operand kOperand>
absl::Status LaunchOperand(const PrefillAttention& attention, QueryOrder order,
                           const QueryGrid& grid, bool dependent, cudaStream_t stream) {
  const auto launch = [&]<int kKeySteps, int kValueTiles>() {
    using Sizes = AttentionSizes<kOperand, kKeySteps, kValueTiles, 64, AttentionWay::kWarpgroups>;
    if (order == QueryOrder::kColumns) {
      return LaunchOrder<Sizes, QueryOrder::kColumns>(attention, grid, dependent, stream);
    }
    return LaunchOrder<Sizes, QueryOrder::kConsecutive>(attention, grid, dependent, stream);
  };
  if (attention.d_key == kShortKey) return launch.template operator()<2, 4>();
  return launch.template operator()<4, 16>();
}

}  // namespace

bool CanMapKeys(const PrefillAttention& attention, const QueryGrid& grid) {
  constexpr int kMostQueries = 64;
  const int step = KeyStepOf(grid.pattern);
  return HasWidths(attention.d_key, attention.d_value) && grid.is_one_pattern && step > 0 &&
         step <= attention.rows.row_count && grid.tile_queries <= kMostQueries &&
         HasRowMap(attention.qkv, attention.qkv_stride, Operand::kBfloat16);
}

absl::Status LaunchMappedAttention(const PrefillAttention& attention, Operand operand,
                                   QueryOrder order, const QueryGrid& grid, bool dependent,
                                   cudaStream_t stream) {
  if (operand == Operand::kFloat16) {
    return LaunchOperand<Operand::kFloat16>(attention, order, grid, dependent, stream);
  }
  return LaunchOperand<Operand::kBfloat16>(attention, order, grid, dependent, stream);
}

}  // namespace strided::cuda
