#include "engine/cuda/decode_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/embed.h"

namespace strided::cuda {
namespace {

// With more rows, keys and values take all of the memory's time, and none is left to be early.
constexpr int kRowsWorthFetching = 8;

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

// Whose graphs a position shares: the powers of two, and the context's end.
int PositionBucket(int position, int context_length) {
  int bucket = kAttentionChunk;
  while (bucket <= position && bucket < context_length) bucket *= 2;
  return std::min(bucket, context_length) - 1;
}

}  // namespace

int RowBucket(int rows, int max_rows) {
  constexpr std::array<int, 11> kSmall = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128};
  const auto small = std::lower_bound(kSmall.begin(), kSmall.end(), rows);
  const int bucket = small != kSmall.end() ? *small : CeilDivide(rows, 64) * 64;
  return std::min(bucket, max_rows);
}

absl::StatusOr<std::unique_ptr<DecodeStep>> DecodeStep::Create(const ModelConfig& config,
                                                               const DeviceNetwork& network,
                                                               const DeviceSequence* sequences,
                                                               const Options& options,
                                                               cudaStream_t stream) {
  auto step = std::make_unique<DecodeStep>(Passkey(), config, network, sequences, options, stream);
  RETURN_IF_ERROR(step->Allocate());
  return step;
}

absl::Status DecodeStep::Allocate() {
  int device = 0;
  RETURN_IF_ERROR(CudaError(cudaGetDevice(&device), "asking for the device"));
  RETURN_IF_ERROR(
      CudaError(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device),
                "asking for the multiprocessors"));
  const auto rows = static_cast<size_t>(options_.max_rows);
  const auto heads = static_cast<size_t>(config_.n_head);
  const auto element = static_cast<size_t>(OperandBytes(OperandOf(network_.format)));
  const auto value = static_cast<size_t>(config_.d_value);
  const std::vector<int> chunks = ChunksOf(config_.context_length - 1);
  const auto most_chunks = static_cast<size_t>(*std::max_element(chunks.begin(), chunks.end()));
  const size_t partials = most_chunks > 1 ? rows * heads * most_chunks * (value + 2) : 0;

  ASSIGN_OR_RETURN(outputs_, Outputs::Create({.max_rows = options_.max_rows,
                                              .max_steps = options_.max_steps,
                                              .vocab_size = config_.vocab_size},
                                             sequences_, stream_));
  ASSIGN_OR_RETURN(hidden_,
                   DeviceBuffer<float>::Create(rows * static_cast<size_t>(config_.d_model)));
  ASSIGN_OR_RETURN(normed_, DeviceBuffer<std::byte>::Create(
                                rows * static_cast<size_t>(config_.d_model) * element));
  ASSIGN_OR_RETURN(queries_,
                   DeviceBuffer<float>::Create(rows * heads * static_cast<size_t>(config_.d_key)));
  if (options_.int8_caches) {
    const size_t width = static_cast<size_t>(config_.d_key) + value;
    ASSIGN_OR_RETURN(fresh_, DeviceBuffer<std::byte>::Create(rows * heads * width * element));
  }
  ASSIGN_OR_RETURN(mixed_, DeviceBuffer<std::byte>::Create(rows * heads * value * element));
  ASSIGN_OR_RETURN(expanded_, DeviceBuffer<std::byte>::Create(
                                  rows * static_cast<size_t>(config_.d_ff) * element));
  ASSIGN_OR_RETURN(partials_, DeviceBuffer<float>::Create(partials));
  ASSIGN_OR_RETURN(arrivals_, DeviceBuffer<int32_t>::Create(rows * heads));
  // Idle rows are computed with whatever their memory holds; it starts as zeros.
  RETURN_IF_ERROR(hidden_.Fill(std::byte{0}, stream_));
  RETURN_IF_ERROR(queries_.Fill(std::byte{0}, stream_));
  RETURN_IF_ERROR(mixed_.Fill(std::byte{0}, stream_));
  RETURN_IF_ERROR(arrivals_.Fill(std::byte{0}, stream_));
  if (options_.int8_caches || !options_.use_grid) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      grid_, GridStep::Create(
                 config_, network_,
                 {.sequences = sequences_, .states = outputs_->rows(), .hidden = hidden_.data()},
                 stream_));
  return absl::OkStatus();
}

absl::Status DecodeStep::ReserveTop(int top_logprobs) {
  ASSIGN_OR_RETURN(const bool moved, outputs_->ReserveTop(top_logprobs));
  if (moved) graphs_.clear();  // they hold the old addresses
  return absl::OkStatus();
}

std::vector<int> DecodeStep::ChunksOf(int position) const {
  std::vector<int> chunks;
  for (const auto& layer : config_.attention) {
    int keys = 1;
    for (const AttentionPattern& head : layer) {
      keys = std::max(keys, HeadRows::Of(head).MostKeys(position));
    }
    chunks.push_back(CeilDivide(keys, kAttentionChunk));
  }
  return chunks;
}

absl::Status DecodeStep::Start(std::span<const DecodeRow> rows, bool /*beside_prompts*/) {
  steps_ = 0;
  int last_position = 0;
  for (const DecodeRow& row : rows) {
    steps_ = std::max(steps_, row.steps_left);
    last_position = std::max(last_position, row.position + row.steps_left - 1);
  }
  const int bucket = RowBucket(static_cast<int>(rows.size()), options_.max_rows);
  const std::vector<int> chunks = ChunksOf(PositionBucket(last_position, config_.context_length));
  RETURN_IF_ERROR(outputs_->SendRows(rows, bucket));
  for (int step = 0; step < steps_; ++step) RETURN_IF_ERROR(LaunchOnce(bucket, chunks));
  return absl::OkStatus();
}

absl::Status DecodeStep::Finish(absl::FunctionRef<void()> work) {
  if (grid_ != nullptr) RETURN_IF_ERROR(grid_->EnqueueCheck());
  RETURN_IF_ERROR(outputs_->Fetch(steps_, work));
  return grid_ != nullptr ? grid_->Check() : absl::OkStatus();
}

absl::Status DecodeStep::LaunchOnce(int rows, const std::vector<int>& chunks) {
  if (!options_.use_graphs) return Enqueue(rows, chunks);
  Graph& graph = graphs_[{rows, chunks}];
  if (graph == nullptr) {
    ASSIGN_OR_RETURN(graph, Capture(stream_, [&] { return Enqueue(rows, chunks); }));
  }
  return CudaError(cudaGraphLaunch(graph.get(), stream_), "launching a step");
}

absl::Status DecodeStep::Enqueue(int rows, const std::vector<int>& chunks) {
  const std::optional<GridStep::Step> step =
      grid_ != nullptr ? grid_->Take(rows, chunks) : std::nullopt;
  RETURN_IF_ERROR(step.has_value() ? grid_->Enqueue(*step) : EnqueueLayers(rows, chunks));
  return EnqueueHead(rows);
}

absl::Status DecodeStep::EnqueueLayers(int rows, const std::vector<int>& chunks) {
  RETURN_IF_ERROR(LaunchEmbed(network_.tables, outputs_->rows(), sequences_, rows, config_.d_model,
                              hidden_.data(), stream_));
  for (int layer = 0; layer < config_.n_layer; ++layer) {
    RETURN_IF_ERROR(EnqueueLayer(layer, rows, chunks[static_cast<size_t>(layer)]));
  }
  return absl::OkStatus();
}

absl::Status DecodeStep::EnqueueLayer(int index, int rows, int chunks) {
  RETURN_IF_ERROR(EnqueueAttend(index, rows, chunks));
  const DecodeMlp mlp = MlpOf(index, rows);
  bool one_mlp = false;
  if (rows <= MlpRows(config_.d_model, config_.d_ff)) {
    ASSIGN_OR_RETURN(one_mlp, TakesDecodeMlp(mlp));
  }
  return one_mlp ? LaunchDecodeMlp(mlp, stream_) : EnqueueMlp(index, rows);
}

// H += O attend(norm(H))
absl::Status DecodeStep::EnqueueAttend(int index, int rows, int chunks) {
  RETURN_IF_ERROR(LaunchDecodeProduct(QueryKeyValueOf(index, rows), multiprocessors_, stream_));
  RETURN_IF_ERROR(LaunchDecodeAttention(AttentionOf(index, rows, chunks), stream_));
  DecodeProduct out = ProductOf(LayerAt(index).out, LayerAt(index + 1).out, rows);
  out.in = mixed_.data();
  out.output = ProductOutput::kResidual;
  return LaunchDecodeProduct(out, multiprocessors_, stream_);
}

const DeviceLayer& DecodeStep::LayerAt(int index) const {
  return network_.layers[static_cast<size_t>(index % config_.n_layer)];
}

DecodeProduct DecodeStep::ProductOf(const DeviceMatrix& matrix, const DeviceMatrix& next,
                                    int rows) {
  DecodeProduct product;
  product.format = network_.format;
  product.rows = rows;
  product.hidden = hidden_.data();
  product.normed_rows = normed_.data();
  product.activation = config_.activation;
  product.matrix = matrix;
  product.next_weights = next.weights;
  return product;
}

// q, k, v = W norm(H); k and v to the caches, if need be by attention.
DecodeProduct DecodeStep::QueryKeyValueOf(int index, int rows) {
  const DeviceLayer& layer = LayerAt(index);
  const int first_head = index * config_.n_head;
  DecodeProduct product = ProductOf(layer.qkv, LayerAt(index + 1).qkv, rows);
  product.normed = true;
  product.norm = layer.attn_norm;
  product.output = ProductOutput::kQueryKeyValue;
  product.out = reinterpret_cast<std::byte*>(queries_.data());
  product.fresh = fresh_.data();
  product.row_states = outputs_->rows();
  product.sequences = sequences_;
  product.heads = network_.head_rows + first_head;
  product.first_head = first_head;
  product.n_head = config_.n_head;
  product.d_key = config_.d_key;
  product.d_value = config_.d_value;
  return product;
}

// attend(q, K_S, V_S)
DecodeAttention DecodeStep::AttentionOf(int index, int rows, int chunks) {
  const int first_head = index * config_.n_head;
  DecodeAttention attention;
  attention.operand = OperandOf(network_.format);
  attention.fresh = fresh_.data();
  attention.queries = queries_.data();
  attention.out = mixed_.data();
  attention.row_states = outputs_->rows();
  attention.sequences = sequences_;
  attention.heads = network_.head_rows + first_head;
  attention.first_head = first_head;
  attention.n_head = config_.n_head;
  attention.d_key = config_.d_key;
  attention.d_value = config_.d_value;
  if (config_.attention_scale == AttentionScale::kInverseSqrt) {
    attention.scale = 1.0F / std::sqrt(static_cast<float>(config_.d_key));
  }
  attention.rows = rows;
  if (rows <= kRowsWorthFetching) {
    const int next = (index + 1) % config_.n_layer;  // of the next step behind the last
    attention.next_first_head = next * config_.n_head;
    attention.next_heads = network_.head_rows + attention.next_first_head;
  }
  attention.chunks = chunks;
  attention.partials = partials_.data();
  attention.arrivals = arrivals_.data();
  return attention;
}

DecodeMlp DecodeStep::MlpOf(int index, int rows) const {
  const DeviceLayer& layer = LayerAt(index);
  DecodeMlp mlp;
  mlp.format = network_.format;
  mlp.norm = layer.mlp_norm;
  mlp.up = layer.up;
  mlp.down = layer.down;
  mlp.activation = config_.activation;
  mlp.hidden = hidden_.data();
  mlp.rows = rows;
  return mlp;
}

// H += down(f(up(norm(H))))
absl::Status DecodeStep::EnqueueMlp(int index, int rows) {
  const DeviceLayer& layer = LayerAt(index);
  const DeviceLayer& next = LayerAt(index + 1);
  DecodeProduct up = ProductOf(layer.up, next.up, rows);
  up.normed = true;
  up.norm = layer.mlp_norm;
  up.output = ProductOutput::kActivated;
  up.out = expanded_.data();
  RETURN_IF_ERROR(LaunchDecodeProduct(up, multiprocessors_, stream_));

  DecodeProduct down = ProductOf(layer.down, next.down, rows);
  down.in = expanded_.data();
  down.output = ProductOutput::kResidual;
  return LaunchDecodeProduct(down, multiprocessors_, stream_);
}

// logits = head(norm(H)), then a token of them.
absl::Status DecodeStep::EnqueueHead(int rows) {
  DecodeProduct head;
  head.format = network_.format;
  head.matrix = network_.head;
  head.rows = rows;
  head.normed = true;
  head.norm = network_.final_norm;
  head.hidden = hidden_.data();
  head.output = ProductOutput::kLogits;
  head.ends_step = true;
  head.out = reinterpret_cast<std::byte*>(outputs_->logits());
  RETURN_IF_ERROR(LaunchDecodeProduct(head, multiprocessors_, stream_));

  return outputs_->EnqueueSample(rows);
}

int64_t DecodeStep::workspace_bytes() const {
  return outputs_->bytes() + hidden_.bytes() + normed_.bytes() + queries_.bytes() + fresh_.bytes() +
         mixed_.bytes() + expanded_.bytes() + partials_.bytes() + arrivals_.bytes() +
         (grid_ != nullptr ? grid_->workspace_bytes() : 0);
}

}  // namespace strided::cuda
