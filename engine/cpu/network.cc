#include "engine/cpu/network.h"

#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace strided {
namespace {

// Packs the matrices of a model in the order of computation.
class Packer {
 public:
  Packer(const ModelConfig& config, const Weights& weights, const NetworkForms& forms,
         WeightArena* arena)
      : config_(config), weights_(weights), forms_(forms), arena_(arena) {}

  NormWeights Norm(const std::string& name, double epsilon) const {
    const bool biased = config_.norm == Norm::kLayer;
    return {Vector(absl::StrCat(name, ".weight")),
            biased ? Vector(absl::StrCat(name, ".bias"))
                   : AlignedArray<float>::Zeros(static_cast<size_t>(config_.d_model)),
            static_cast<float>(epsilon)};
  }

  PackedMatrix Matrix(const std::string& name) { return Matrix(name, forms_.most); }

  PackedMatrix Matrix(const std::string& name, ProductForm form) {
    const Tensor& weight = weights_.Get(absl::StrCat(name, ".weight"));
    const MatrixPart whole{&weight, weights_.Find(absl::StrCat(name, ".bias")), 0,
                           static_cast<int>(weight.rows()), 0};
    return PackedMatrix::Pack(form, whole.rows, {&whole, 1}, *arena_);
  }

  PackedMatrix Qkv(const std::string& attention) {
    const int width = HeadWidth(config_);
    std::vector<MatrixPart> parts;
    for (int head = 0; head < config_.n_head; ++head) {
      int output = head * width;
      for (const auto& [name, rows] : {std::pair{"q", config_.d_key}, std::pair{"k", config_.d_key},
                                       std::pair{"v", config_.d_value}}) {
        const std::string path = absl::StrCat(attention, ".", name);
        parts.push_back({&weights_.Get(absl::StrCat(path, ".weight")),
                         weights_.Find(absl::StrCat(path, ".bias")), head * rows, rows, output});
        output += rows;
      }
    }
    return PackedMatrix::Pack(forms_.most, config_.n_head * width, parts, *arena_);
  }

  LayerWeights Layer(int index) {
    const std::string layer = absl::StrCat("layers.", index);
    LayerWeights packed;
    packed.attn_norm = Norm(absl::StrCat(layer, ".attn_norm"), config_.norm_epsilon);
    packed.qkv = Qkv(absl::StrCat(layer, ".attn"));
    packed.out = Matrix(absl::StrCat(layer, ".attn.o"));
    packed.mlp_norm = Norm(absl::StrCat(layer, ".mlp_norm"), config_.norm_epsilon);
    packed.up = Matrix(absl::StrCat(layer, ".mlp.up"));
    packed.down = Matrix(absl::StrCat(layer, ".mlp.down"), forms_.down);
    return packed;
  }

  PackedMatrix Head() {
    if (!config_.tied_head) return Matrix("head");
    const Tensor& weight = weights_.Get("token_embedding.weight");
    const MatrixPart whole{&weight, weights_.Find("head.bias"), 0, config_.vocab_size, 0};
    return PackedMatrix::Pack(forms_.most, config_.vocab_size, {&whole, 1}, *arena_);
  }

  RowTable Table(const std::string& name) const {
    return RowTable::Pack(weights_.Get(name), forms_.most != ProductForm::kFloat32);
  }

 private:
  AlignedArray<float> Vector(const std::string& name) const {
    const Tensor& tensor = weights_.Get(name);
    auto vector = AlignedArray<float>::Zeros(static_cast<size_t>(tensor.columns()));
    tensor.ReadRow(0, vector.span());
    return vector;
  }

  const ModelConfig& config_;
  const Weights& weights_;
  const NetworkForms forms_;
  WeightArena* const arena_;
};

struct MatrixShape {
  int outputs = 0;
  int inputs = 0;
};

// Of a layer's matrices but `down`.
std::array<MatrixShape, 3> ShapesBeforeDown(const ModelConfig& config) {
  return {{{config.n_head * HeadWidth(config), config.d_model},
           {config.d_model, config.n_head * config.d_value},
           {config.d_ff, config.d_model}}};
}

// The sum of bytes(form, outputs, inputs) over all matrices.
size_t SumOverMatrices(const ModelConfig& config, const NetworkForms& forms,
                       size_t (*bytes)(ProductForm, int, int)) {
  size_t layer = bytes(forms.down, config.d_model, config.d_ff);
  for (const MatrixShape& shape : ShapesBeforeDown(config)) {
    layer += bytes(forms.most, shape.outputs, shape.inputs);
  }
  return static_cast<size_t>(config.n_layer) * layer +
         bytes(forms.most, config.vocab_size, config.d_model);
}

}  // namespace

RowTable RowTable::Pack(const Tensor& tensor, bool as_bfloat16) {
  RowTable table;
  table.columns_ = static_cast<size_t>(tensor.columns());
  const auto elements = static_cast<size_t>(tensor.rows()) * table.columns_;
  (as_bfloat16 ? table.bfloat16_.reserve(elements) : table.float32_.reserve(elements));
  std::vector<float> values(table.columns_);
  for (int64_t row = 0; row < tensor.rows(); ++row) {
    tensor.ReadRow(row, values);
    for (const float value : values) {
      if (as_bfloat16) {
        table.bfloat16_.push_back(ToBfloat16(value));
      } else {
        table.float32_.push_back(value);
      }
    }
  }
  return table;
}

void RowTable::AddRow(int64_t row, float* out) const {
  const size_t first = static_cast<size_t>(row) * columns_;
  for (size_t i = 0; i < columns_; ++i) {
    out[i] += bfloat16_.empty() ? float32_[first + i] : FromBfloat16(bfloat16_[first + i]);
  }
}

int HeadWidth(const ModelConfig& config) { return PanelPadded(2 * config.d_key + config.d_value); }

int64_t MatrixBytes(const ModelConfig& config, ProductForm form) {
  return static_cast<int64_t>(SumOverMatrices(config, {form, form}, PackedMatrix::WeightBytes));
}

absl::StatusOr<Network> PackNetwork(const ModelConfig& config, const Weights& weights,
                                    const NetworkForms& forms) {
  Network network;
  const size_t bytes = SumOverMatrices(config, forms, PackedMatrix::ArenaBytes);
  network.arena = WeightArena(bytes);
  if (network.arena.null()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", bytes, " bytes of packed weights"));
  }
  Packer packer(config, weights, forms, &network.arena);
  network.token_embedding = packer.Table("token_embedding.weight");
  for (size_t axis = 0; axis < config.position_axes.size(); ++axis) {
    network.position_embedding.push_back(
        packer.Table(absl::StrCat("position_embedding.", axis, ".weight")));
  }
  if (config.has_start_vector && config.conditions.empty()) network.start = packer.Table("start");
  for (const Condition& condition : config.conditions) {
    network.conditions.push_back(
        packer.Table(absl::StrCat("condition.", condition.name, ".weight")));
  }
  for (int layer = 0; layer < config.n_layer; ++layer) {
    network.layers.push_back(packer.Layer(layer));
  }
  if (config.final_norm_epsilon.has_value()) {
    network.final_norm = packer.Norm("final_norm", *config.final_norm_epsilon);
  }
  network.head = packer.Head();
  return network;
}

}  // namespace strided
