#include "engine/cuda/prefill.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/narrow_keys.h"
#include "engine/cuda/kernels/store_keys.h"
#include "engine/cuda/kernels/weight_packing.h"

namespace strided::cuda {
namespace {

float ScaleOf(const ModelConfig& config) {
  if (config.attention_scale == AttentionScale::kNone) return 1;
  return static_cast<float>(1 / std::sqrt(static_cast<double>(config.d_key)));
}

absl::Status TooManyRows(size_t rows, int max_rows) {
  return absl::InvalidArgumentError(
      absl::StrCat("a prefill of ", rows, " rows; expected 1 to ", max_rows));
}

}  // namespace

Prefill::Prefill(const ModelConfig& config, const DeviceNetwork& network, const Options& options)
    : config_(config), network_(network), operand_(OperandOf(network.format)), options_(options) {}

absl::StatusOr<Prefill> Prefill::Create(const ModelConfig& config, const DeviceNetwork& network,
                                        const Options& options, cudaStream_t stream) {
  Prefill prefill(config, network, options);
  prefill.FindLayerKinds();
  RETURN_IF_ERROR(prefill.Allocate(stream));
  return prefill;
}

void Prefill::FindLayerKinds() {
  std::vector<const std::vector<AttentionPattern>*> lists;  // one per kind
  for (const auto& layer : config_.attention) {
    const auto found =
        std::find_if(lists.begin(), lists.end(), [&](const auto* list) { return *list == layer; });
    kind_of_layer_.push_back(static_cast<int>(found - lists.begin()));
    if (found != lists.end()) continue;
    lists.push_back(&layer);
    LayerKind& kind = kinds_.emplace_back();
    for (const AttentionPattern& pattern : layer) {
      kind.heads.push_back(HeadRows::Of(pattern));
      kind.merges = kind.merges || pattern.kind() == PatternKind::kLocalStrided;
    }
  }
}

absl::StatusOr<Prefill::Rows> Prefill::CreateRows(int width, cudaStream_t stream) const {
  Rows rows;
  rows.stride = int64_t{PackedSteps(width)} * kStepInputs;
  const int64_t bytes = options_.max_rows * rows.stride * OperandBytes(operand_);
  ASSIGN_OR_RETURN(rows.memory, DeviceBuffer<std::byte>::Create(static_cast<size_t>(bytes)));
  RETURN_IF_ERROR(rows.memory.Fill(std::byte{0}, stream));
  return rows;
}

absl::Status Prefill::Allocate(cudaStream_t stream) {
  const auto rows = static_cast<size_t>(options_.max_rows);
  ASSIGN_OR_RETURN(device_runs_, StagedTable<RowRun>::Create(rows));
  ASSIGN_OR_RETURN(device_rows_, StagedTable<PrefillRow>::Create(rows));
  ASSIGN_OR_RETURN(wanted_rows_, StagedTable<int32_t>::Create(rows));
  ASSIGN_OR_RETURN(hidden_,
                   DeviceBuffer<float>::Create(rows * static_cast<size_t>(config_.d_model)));
  ASSIGN_OR_RETURN(normed_, CreateRows(config_.d_model, stream));
  ASSIGN_OR_RETURN(qkv_,
                   CreateRows(config_.n_head * (2 * config_.d_key + config_.d_value), stream));
  ASSIGN_OR_RETURN(mixed_, CreateRows(config_.n_head * config_.d_value, stream));
  ASSIGN_OR_RETURN(expanded_, CreateRows(config_.d_ff, stream));
  if (options_.int8_caches) {
    ASSIGN_OR_RETURN(scales_,
                     DeviceBuffer<float2>::Create(rows * static_cast<size_t>(config_.n_head)));
  }
  const bool merges =
      std::any_of(kinds_.begin(), kinds_.end(), [](const auto& kind) { return kind.merges; });
  if (!merges) return absl::OkStatus();
  const int of_row = config_.n_head * (config_.d_value + 2);
  ASSIGN_OR_RETURN(partial_, DeviceBuffer<float>::Create(rows * static_cast<size_t>(of_row)));
  return absl::OkStatus();
}

int64_t Prefill::workspace_bytes() const {
  return device_runs_.bytes() + device_rows_.bytes() + wanted_rows_.bytes() + hidden_.bytes() +
         partial_.bytes() + scales_.bytes() + normed_.memory.bytes() + qkv_.memory.bytes() +
         mixed_.memory.bytes() + expanded_.memory.bytes();
}

absl::Status Prefill::Run(std::span<const PrefillRun> runs, const DeviceSequence* sequences,
                          cudaStream_t stream) {
  RETURN_IF_ERROR(SendRows(runs, stream));
  for (LayerKind& kind : kinds_) kind.grids = PlanAttention(kind.heads, runs_);
  EmbedRows embed;
  embed.rows = {device_runs_.data(), device_rows_.data(), static_cast<int>(runs_.size()),
                static_cast<int>(rows_.size())};
  embed.sequences = sequences;
  embed.tables = network_.tables;
  embed.d_model = config_.d_model;
  embed.hidden = hidden_.data();
  RETURN_IF_ERROR(LaunchEmbedRows(embed, /*dependent=*/false, stream));
  for (int layer = 0; layer < config_.n_layer; ++layer) {
    RETURN_IF_ERROR(RunLayer(layer, sequences, stream));
  }
  return absl::OkStatus();
}

absl::Status Prefill::SendRows(std::span<const PrefillRun> runs, cudaStream_t stream) {
  size_t count = 0;
  for (const PrefillRun& run : runs) count += run.inputs.size();
  if (count == 0 || count > static_cast<size_t>(options_.max_rows))
    return TooManyRows(count, options_.max_rows);
  runs_.clear();
  rows_.clear();
  for (const PrefillRun& run : runs) {
    if (run.inputs.empty()) continue;
    const auto index = static_cast<int32_t>(runs_.size());
    runs_.push_back({run.slot, run.first_position, static_cast<int32_t>(rows_.size()),
                     static_cast<int32_t>(run.inputs.size())});
    for (const int32_t input : run.inputs) rows_.push_back({index, input});
  }
  RETURN_IF_ERROR(device_runs_.Send(runs_, stream));
  return device_rows_.Send(rows_, stream);
}

// One residual block (section 5.2).
absl::Status Prefill::RunLayer(int index, const DeviceSequence* sequences, cudaStream_t stream) {
  const DeviceLayer& layer = network_.layers[static_cast<size_t>(index)];
  const LayerKind& kind = kinds_[static_cast<size_t>(kind_of_layer_[static_cast<size_t>(index)])];
  const int rows = static_cast<int>(rows_.size());

  // q, k, v = W norm(H)
  RETURN_IF_ERROR(
      LaunchNormRows(NormOf(layer.attn_norm, rows), operand_, /*dependent=*/true, stream));
  RETURN_IF_ERROR(Multiply({.matrix = layer.qkv,
                            .in = normed_.memory.data(),
                            .in_stride = normed_.stride,
                            .out = qkv_.memory.data(),
                            .out_stride = qkv_.stride,
                            .rows = rows,
                            .output = WideOutput::kOperand},
                           stream));

  // H += O attend(q, K_S, V_S)
  const PrefillAttention attention = AttentionOf(index, sequences);
  if (options_.int8_caches) {
    RETURN_IF_ERROR(LaunchRoundKeys(attention, operand_, /*dependent=*/true, stream));
  }
  RETURN_IF_ERROR(
      LaunchPrefillAttention(attention, operand_, kind.grids, /*dependent=*/true, stream));
  RETURN_IF_ERROR(AddToHidden(layer.out, mixed_, stream));

  // H += down(f(up(norm(H))))
  RETURN_IF_ERROR(StoreKeys(attention, NormOf(layer.mlp_norm, rows), stream));
  RETURN_IF_ERROR(Multiply({.matrix = layer.up,
                            .in = normed_.memory.data(),
                            .in_stride = normed_.stride,
                            .out = expanded_.memory.data(),
                            .out_stride = expanded_.stride,
                            .rows = rows,
                            .output = WideOutput::kActivated,
                            .activation = config_.activation},
                           stream));
  return AddToHidden(layer.down, expanded_, stream);
}

absl::Status Prefill::StoreKeys(const PrefillAttention& attention, const NormRows& norm,
                                cudaStream_t stream) {
  if (!options_.int8_caches) {
    return LaunchStoreKeys(attention, norm, operand_, /*dependent=*/true, stream);
  }
  RETURN_IF_ERROR(LaunchStoreNarrowKeys(attention, operand_, /*dependent=*/true, stream));
  return LaunchNormRows(norm, operand_, /*dependent=*/true, stream);
}

absl::Status Prefill::Logits(std::span<const int32_t> rows, float* out, cudaStream_t stream) {
  if (rows.empty()) return absl::OkStatus();
  if (rows.size() > static_cast<size_t>(options_.max_rows))
    return TooManyRows(rows.size(), options_.max_rows);
  RETURN_IF_ERROR(wanted_rows_.Send(rows, stream));
  const int count = static_cast<int>(rows.size());
  NormRows norm = NormOf(network_.final_norm, count);
  norm.from = wanted_rows_.data();
  RETURN_IF_ERROR(LaunchNormRows(norm, operand_, /*dependent=*/false, stream));
  return Multiply({.matrix = network_.head,
                   .in = normed_.memory.data(),
                   .in_stride = normed_.stride,
                   .out = reinterpret_cast<std::byte*>(out),
                   .out_stride = config_.vocab_size,
                   .rows = count,
                   .output = WideOutput::kFloat32},
                  stream);
}

NormRows Prefill::NormOf(const DeviceNorm& norm, int rows) const {
  return {.norm = norm,
          .in = hidden_.data(),
          .out = normed_.memory.data(),
          .out_stride = normed_.stride,
          .width = config_.d_model,
          .rows = rows};
}

absl::Status Prefill::AddToHidden(const DeviceMatrix& matrix, const Rows& in, cudaStream_t stream) {
  return Multiply({.matrix = matrix,
                   .in = in.memory.data(),
                   .in_stride = in.stride,
                   .out = reinterpret_cast<std::byte*>(hidden_.data()),
                   .out_stride = config_.d_model,
                   .rows = static_cast<int>(rows_.size()),
                   .output = WideOutput::kResidual},
                  stream);
}

absl::Status Prefill::Multiply(const WideProduct& product, cudaStream_t stream) {
  return LaunchWideProduct(product, network_.format, /*dependent=*/true, stream);
}

PrefillAttention Prefill::AttentionOf(int layer, const DeviceSequence* sequences) const {
  PrefillAttention attention;
  attention.rows = {device_runs_.data(), device_rows_.data(), static_cast<int>(runs_.size()),
                    static_cast<int>(rows_.size())};
  attention.sequences = sequences;
  attention.first_head = layer * config_.n_head;
  attention.heads = network_.head_rows + attention.first_head;
  attention.n_head = config_.n_head;
  attention.d_key = config_.d_key;
  attention.d_value = config_.d_value;
  attention.scale = ScaleOf(config_);
  attention.qkv = qkv_.memory.data();
  attention.qkv_stride = qkv_.stride;
  attention.mixed = mixed_.memory.data();
  attention.mixed_stride = mixed_.stride;
  attention.partial = partial_.data();
  attention.scales = scales_.data();
  return attention;
}

}  // namespace strided::cuda
