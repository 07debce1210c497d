#include "engine/cuda/network_loader.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/weight_packing.h"

namespace strided::cuda {
namespace {

constexpr size_t kBlockBytes = size_t{32} << 20;
constexpr size_t kAlignment = 256;  // bytes, of every tensor

std::vector<float> ReadTable(const Tensor& tensor) {
  const auto columns = static_cast<size_t>(tensor.columns());
  std::vector<float> values(static_cast<size_t>(tensor.rows()) * columns);
  for (int64_t row = 0; row < tensor.rows(); ++row) {
    tensor.ReadRow(row, std::span(values).subspan(static_cast<size_t>(row) * columns, columns));
  }
  return values;
}

}  // namespace

class NetworkLoader {
 public:
  NetworkLoader(const ModelConfig& config, const Weights& weights, WeightFormat format)
      : config_(config), weights_(weights), format_(format) {}

  absl::StatusOr<LoadedNetwork> Load() {
    network_.view_.format = format_;
    network_.width_ = static_cast<size_t>(config_.d_model);
    RETURN_IF_ERROR(LoadTables());
    for (int layer = 0; layer < config_.n_layer; ++layer) {
      ASSIGN_OR_RETURN(network_.view_.layers.emplace_back(), Layer(layer));
    }
    if (config_.final_norm_epsilon.has_value()) {
      ASSIGN_OR_RETURN(network_.view_.final_norm, Norm("final_norm", *config_.final_norm_epsilon));
    }
    ASSIGN_OR_RETURN(network_.view_.head, Head());
    return std::move(network_);
  }

 private:
  // The bytes in device memory.
  absl::StatusOr<const std::byte*> Place(std::span<const std::byte> bytes) {
    if (network_.blocks_.empty() || used_ + bytes.size() > network_.blocks_.back().size()) {
      ASSIGN_OR_RETURN(DeviceBuffer<std::byte> block,
                       DeviceBuffer<std::byte>::Create(std::max(kBlockBytes, bytes.size())));
      network_.blocks_.push_back(std::move(block));
      used_ = 0;
    }
    std::byte* const to = network_.blocks_.back().data() + used_;
    used_ += (bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
    RETURN_IF_ERROR(CudaError(cudaMemcpy(to, bytes.data(), bytes.size(), cudaMemcpyHostToDevice),
                              "copying weights to the device"));
    return to;
  }
  absl::StatusOr<const float*> PlaceFloats(std::span<const float> values) {
    ASSIGN_OR_RETURN(const std::byte* const bytes, Place(std::as_bytes(values)));
    return reinterpret_cast<const float*>(bytes);
  }
  absl::StatusOr<const float*> Table(absl::string_view name) {
    return PlaceFloats(ReadTable(weights_.Get(name)));
  }

  absl::Status LoadTables() {
    DeviceTables& tables = network_.view_.tables;
    ASSIGN_OR_RETURN(tables.token_embedding, Table("token_embedding.weight"));
    tables.position_rule = config_.position_rule;
    tables.axes = static_cast<int>(config_.position_axes.size());
    for (int axis = 0; axis < tables.axes; ++axis) {
      tables.position_axes[axis] = config_.position_axes[static_cast<size_t>(axis)];
      ASSIGN_OR_RETURN(tables.position_embedding[axis],
                       Table(absl::StrCat("position_embedding.", axis, ".weight")));
    }
    if (config_.has_start_vector && config_.conditions.empty()) {
      network_.starts_.push_back(ReadTable(weights_.Get("start")));
    }
    for (const Condition& condition : config_.conditions) {
      network_.starts_.push_back(
          ReadTable(weights_.Get(absl::StrCat("condition.", condition.name, ".weight"))));
    }
    std::vector<HeadRows> heads;
    for (const auto& layer : config_.attention) {
      for (const AttentionPattern& pattern : layer) heads.push_back(HeadRows::Of(pattern));
    }
    ASSIGN_OR_RETURN(const std::byte* const placed, Place(std::as_bytes(std::span(heads))));
    network_.view_.head_rows = reinterpret_cast<const HeadRows*>(placed);
    return absl::OkStatus();
  }

  absl::StatusOr<DeviceNorm> Norm(absl::string_view name, double epsilon) {
    DeviceNorm norm;
    ASSIGN_OR_RETURN(norm.weight, Table(absl::StrCat(name, ".weight")));
    norm.epsilon = static_cast<float>(epsilon);
    if (config_.norm == Norm::kLayer) {
      ASSIGN_OR_RETURN(norm.bias, Table(absl::StrCat(name, ".bias")));
    } else {
      norm.mean_share = 0;
      ASSIGN_OR_RETURN(norm.bias, PlaceFloats(std::vector<float>(network_.width_)));
    }
    return norm;
  }

  // A row of a matrix with its bias, which is null where there is none.
  struct BiasedRow {
    SourceRow weight;
    const Tensor* bias = nullptr;
  };
  void Append(absl::string_view name, int first, int count, std::vector<BiasedRow>& rows) const {
    const Tensor& weight = weights_.Get(absl::StrCat(name, ".weight"));
    const Tensor* const bias = weights_.Find(absl::StrCat(name, ".bias"));
    for (int row = first; row < first + count; ++row) rows.push_back({{&weight, row}, bias});
  }

  absl::StatusOr<DeviceMatrix> Matrix(std::span<const BiasedRow> rows, int inputs) {
    std::vector<SourceRow> sources;
    std::vector<float> biases;
    bool biased = false;
    for (const BiasedRow& row : rows) {
      sources.push_back(row.weight);
      biases.push_back(row.bias != nullptr ? BiasOf(row) : 0.0F);
      biased = biased || row.bias != nullptr;
    }
    const PackedWeights packed = PackRows(sources, inputs, format_);
    DeviceMatrix matrix;
    matrix.outputs = static_cast<int>(rows.size());
    matrix.inputs = inputs;
    ASSIGN_OR_RETURN(matrix.weights, Place(packed.bytes));
    if (!packed.scales.empty()) {
      ASSIGN_OR_RETURN(matrix.scales, PlaceFloats(packed.scales));
    }
    if (biased) {
      ASSIGN_OR_RETURN(matrix.bias, PlaceFloats(biases));
    }
    return matrix;
  }
  float BiasOf(const BiasedRow& row) {
    std::vector<float>& values = biases_[row.bias];
    if (values.empty()) values = ReadTable(*row.bias);
    return values[static_cast<size_t>(row.weight.row)];
  }

  absl::StatusOr<DeviceMatrix> Projection(absl::string_view name, int outputs, int inputs) {
    std::vector<BiasedRow> rows;
    Append(name, 0, outputs, rows);
    return Matrix(rows, inputs);
  }

  absl::StatusOr<DeviceMatrix> QueryKeyValue(absl::string_view prefix) {
    std::vector<BiasedRow> rows;
    for (int head = 0; head < config_.n_head; ++head) {
      Append(absl::StrCat(prefix, "attn.q"), head * config_.d_key, config_.d_key, rows);
      Append(absl::StrCat(prefix, "attn.k"), head * config_.d_key, config_.d_key, rows);
      Append(absl::StrCat(prefix, "attn.v"), head * config_.d_value, config_.d_value, rows);
    }
    return Matrix(rows, config_.d_model);
  }

  absl::StatusOr<DeviceLayer> Layer(int index) {
    const std::string prefix = absl::StrCat("layers.", index, ".");
    const int width = config_.d_model;
    biases_.clear();
    DeviceLayer layer;
    ASSIGN_OR_RETURN(layer.attn_norm,
                     Norm(absl::StrCat(prefix, "attn_norm"), config_.norm_epsilon));
    ASSIGN_OR_RETURN(layer.qkv, QueryKeyValue(prefix));
    ASSIGN_OR_RETURN(layer.out, Projection(absl::StrCat(prefix, "attn.o"), width,
                                           config_.n_head * config_.d_value));
    ASSIGN_OR_RETURN(layer.mlp_norm, Norm(absl::StrCat(prefix, "mlp_norm"), config_.norm_epsilon));
    ASSIGN_OR_RETURN(layer.up, Projection(absl::StrCat(prefix, "mlp.up"), config_.d_ff, width));
    ASSIGN_OR_RETURN(layer.down, Projection(absl::StrCat(prefix, "mlp.down"), width, config_.d_ff));
    return layer;
  }

  absl::StatusOr<DeviceMatrix> Head() {
    const Tensor& weight =
        weights_.Get(config_.tied_head ? "token_embedding.weight" : "head.weight");
    const Tensor* const bias = config_.head_bias ? &weights_.Get("head.bias") : nullptr;
    std::vector<BiasedRow> rows;
    for (int row = 0; row < config_.vocab_size; ++row) rows.push_back({{&weight, row}, bias});
    return Matrix(rows, config_.d_model);
  }

  const ModelConfig& config_;
  const Weights& weights_;
  const WeightFormat format_;
  LoadedNetwork network_;
  size_t used_ = 0;                                     // bytes of the last block
  std::map<const Tensor*, std::vector<float>> biases_;  // of the layer, read
};

absl::Status CheckProductInputs(const ModelConfig& config, WeightFormat format,
                                int64_t shared_bytes) {
  if (format != WeightFormat::kFloat32) return absl::OkStatus();
  const int64_t limit = shared_bytes / static_cast<int64_t>(sizeof(float));
  const std::pair<absl::string_view, int64_t> widths[] = {
      {"d_model", config.d_model},
      {"n_head * d_value", int64_t{config.n_head} * config.d_value},
      {"d_ff", config.d_ff}};
  for (const auto& [name, inputs] : widths) {
    if (inputs <= limit) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", inputs, "; with float32 weights this device takes at most ",
                     limit, ": serve the model in another weight format"));
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadedNetwork> LoadedNetwork::Load(const ModelConfig& config, const Weights& weights,
                                                  WeightFormat format) {
  return NetworkLoader(config, weights, format).Load();
}

int64_t LoadedNetwork::bytes() const {
  int64_t sum = 0;
  for (const DeviceBuffer<std::byte>& block : blocks_) sum += block.bytes();
  return sum;
}

std::vector<float> LoadedNetwork::StartVector(std::span<const int> condition_values) const {
  std::vector<float> start(width_);
  for (size_t table = 0; table < starts_.size(); ++table) {
    const size_t row = condition_values.empty() ? 0 : static_cast<size_t>(condition_values[table]);
    for (size_t i = 0; i < width_; ++i) start[i] += starts_[table][row * width_ + i];
  }
  return start;
}

}  // namespace strided::cuda
