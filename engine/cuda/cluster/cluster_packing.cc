#include "engine/cuda/cluster/cluster_packing.h"

#include <cuda_bf16.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace strided::cuda::cluster {
namespace {

constexpr float kLargestInt8 = 127;

// As weight_packing.h rounds a row that is not int8 already.
void RoundToInt8(std::span<float> row) {
  float largest = 0;
  for (const float value : row) largest = std::max(largest, std::abs(value));
  const float scale = largest / kLargestInt8;
  const float inverse = scale > 0 ? 1 / scale : 0;
  for (float& value : row) value = static_cast<float>(std::lrint(value * inverse)) * scale;
}

std::vector<float> ReadVector(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.columns()));
  tensor.ReadRow(0, values);
  return values;
}

class ClusterPacker {
 public:
  ClusterPacker(const ModelConfig& config, const Weights& weights, WeightFormat format,
                const Shape& shape)
      : config_(config), weights_(weights), format_(format) {
    VisitSizes([&](auto sizes) {
      if (ShapeOf(sizes) != shape) return false;
      using S = decltype(sizes);
      for (int stage = 0; stage <= kLayerStages; ++stage) {
        stages_[static_cast<size_t>(stage)] = S::SizeOf(static_cast<Stage>(stage));
      }
      block_chunks_ = S::StepChunks(config.n_layer);
      return true;
    });
    bytes_.resize(static_cast<size_t>(kBlocks) * static_cast<size_t>(block_chunks_) * kChunkBytes);
  }

  std::vector<std::byte> Pack() {
    for (int layer = 0; layer < config_.n_layer; ++layer) PackLayer(layer);
    FoldedMatrix head = Head();
    if (config_.final_norm_epsilon.has_value()) Fold("final_norm", head);
    Place(head, Stage::kHead);
    return std::move(bytes_);
  }

 private:
  void PackLayer(int layer) {
    const std::string prefix = absl::StrCat("layers.", layer, ".");
    FoldedMatrix qkv = QueryKeyValue(prefix);
    Fold(absl::StrCat(prefix, "attn_norm"), qkv);
    Place(qkv, Stage::kQueryKeyValue);
    Place(Matrix(absl::StrCat(prefix, "attn.o")), Stage::kOutput);
    FoldedMatrix up = Matrix(absl::StrCat(prefix, "mlp.up"));
    Fold(absl::StrCat(prefix, "mlp_norm"), up);
    Place(up, Stage::kUp);
    Place(Matrix(absl::StrCat(prefix, "mlp.down")), Stage::kDown);
  }

  // Appends rows first to first + count - 1 of a tensor, and of its bias.
  void Append(absl::string_view name, int first, int count, FoldedMatrix& matrix) const {
    const Tensor& weight = weights_.Get(absl::StrCat(name, ".weight"));
    const Tensor* const bias = weights_.Find(absl::StrCat(name, ".bias"));
    std::vector<float> biases(static_cast<size_t>(weight.rows()));
    if (bias != nullptr) biases = ReadVector(*bias);
    AppendRows(weight, biases, first, count, matrix);
  }
  void AppendRows(const Tensor& weight, std::span<const float> biases, int first, int count,
                  FoldedMatrix& matrix) const {
    std::vector<float> row(static_cast<size_t>(weight.columns()));
    matrix.inputs = static_cast<int>(weight.columns());
    matrix.outputs += count;
    for (int r = first; r < first + count; ++r) {
      weight.ReadRow(r, row);
      if (format_ == WeightFormat::kInt8 && weight.dtype != DType::kInt8) RoundToInt8(row);
      matrix.weights.insert(matrix.weights.end(), row.begin(), row.end());
      matrix.bias.push_back(biases[static_cast<size_t>(r)]);
    }
  }
  FoldedMatrix Matrix(absl::string_view name) const {
    FoldedMatrix matrix;
    const Tensor& weight = weights_.Get(absl::StrCat(name, ".weight"));
    Append(name, 0, static_cast<int>(weight.rows()), matrix);
    return matrix;
  }
  FoldedMatrix QueryKeyValue(absl::string_view prefix) const {
    FoldedMatrix matrix;
    for (int head = 0; head < config_.n_head; ++head) {
      Append(absl::StrCat(prefix, "attn.q"), head * config_.d_key, config_.d_key, matrix);
      Append(absl::StrCat(prefix, "attn.k"), head * config_.d_key, config_.d_key, matrix);
      Append(absl::StrCat(prefix, "attn.v"), head * config_.d_value, config_.d_value, matrix);
    }
    return matrix;
  }
  FoldedMatrix Head() const {
    const Tensor& weight =
        weights_.Get(config_.tied_head ? "token_embedding.weight" : "head.weight");
    std::vector<float> biases(static_cast<size_t>(config_.vocab_size));
    if (config_.head_bias) biases = ReadVector(weights_.Get("head.bias"));
    FoldedMatrix matrix;
    AppendRows(weight, biases, 0, config_.vocab_size, matrix);
    return matrix;
  }
  void Fold(absl::string_view norm, FoldedMatrix& matrix) const {
    FoldNorm(ReadVector(weights_.Get(absl::StrCat(norm, ".weight"))),
             ReadVector(weights_.Get(absl::StrCat(norm, ".bias"))), matrix);
  }

  // The stage's chunks of every block, after those that have been placed.
  void Place(const FoldedMatrix& matrix, Stage stage) {
    const StageSize size = stages_[static_cast<size_t>(stage)];
    for (int block = 0; block < kBlocks; ++block) {
      for (int i = 0; i < size.all_chunks(); ++i) {
        const ChunkPlace place = PlaceOf(size, i);
        const int at = block * block_chunks_ + placed_ + i;
        PackChunk(matrix, (block * size.tiles + place.tile) * kTile, place.chunk,
                  std::span(bytes_).subspan(static_cast<size_t>(at) * kChunkBytes, kChunkBytes));
      }
    }
    placed_ += size.all_chunks();
  }

  const ModelConfig& config_;
  const Weights& weights_;
  const WeightFormat format_;
  std::array<StageSize, kLayerStages + 1> stages_;
  int block_chunks_ = 0;  // of all stages
  int placed_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace

ChunkPlace PlaceOf(const StageSize& size, int index) {
  const int pass = index / size.chunks_a_pass();
  const int within = index % size.chunks_a_pass();
  const int passes_of_inputs = size.chunks / size.pass_chunks();
  return {pass / passes_of_inputs * size.pass_tiles() + within / size.pass_chunks(),
          pass % passes_of_inputs * size.pass_chunks() + within % size.pass_chunks()};
}

void FoldNorm(std::span<const float> weight, std::span<const float> bias, FoldedMatrix& matrix) {
  const auto inputs = static_cast<size_t>(matrix.inputs);
  for (size_t output = 0; output < matrix.bias.size(); ++output) {
    const std::span<float> row = std::span(matrix.weights).subspan(output * inputs, inputs);
    double constant = 0;
    for (size_t i = 0; i < inputs; ++i) {
      constant += double{row[i]} * double{bias[i]};
      row[i] *= weight[i];
    }
    matrix.bias[output] += static_cast<float>(constant);
  }
}

void PackChunk(const FoldedMatrix& matrix, int first_output, int chunk, std::span<std::byte> to) {
  std::ranges::fill(to, std::byte{0});
  for (int row = 0; row < kTile && first_output + row < matrix.outputs; ++row) {
    const int output = first_output + row;
    const int first = chunk * kChunkInputs;
    float sum = 0;
    for (int i = 0; i < kChunkInputs && first + i < matrix.inputs; ++i) {
      const int64_t at = int64_t{output} * matrix.inputs + first + i;
      const __nv_bfloat16 rounded(matrix.weights[static_cast<size_t>(at)]);
      sum += static_cast<float>(rounded);
      const int within = i % kTile;  // of the step
      const int lane = row % 8 * 4 + within / 4;
      const int element = within % 2 + row / 8 * 2 + within / 2 % 2 * 4;
      const int offset = i / kTile * kStepBytes + lane * 16 + element * 2;
      std::memcpy(to.data() + offset, &rounded, sizeof rounded);
    }
    const int place = row * 4;
    std::memcpy(to.data() + kRowSumsAt + place, &sum, sizeof sum);
    std::memcpy(to.data() + kBiasAt + place, &matrix.bias[static_cast<size_t>(output)],
                sizeof(float));
  }
}

std::vector<std::byte> PackForCluster(const ModelConfig& config, const Weights& weights,
                                      WeightFormat format, const Shape& shape) {
  return ClusterPacker(config, weights, format, shape).Pack();
}

}  // namespace strided::cuda::cluster
