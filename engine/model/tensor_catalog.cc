#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"

namespace strided {
namespace {

// Lists specs in the order in which a step uses them.
class CatalogBuilder {
 public:
  explicit CatalogBuilder(const ModelConfig& config) : config_(config) {}

  void AddInput() {
    Matrix("token_embedding.weight", config_.vocab_size, config_.d_model);
    for (size_t axis = 0; axis < config_.position_axes.size(); ++axis) {
      Matrix(absl::StrCat("position_embedding.", axis, ".weight"), config_.position_axes[axis],
             config_.d_model);
    }
    if (config_.has_start_vector && config_.conditions.empty()) Vector("start", config_.d_model);
    for (const Condition& condition : config_.conditions) {
      Matrix(absl::StrCat("condition.", condition.name, ".weight"), condition.values,
             config_.d_model);
    }
  }

  void AddLayer(int layer) {
    const std::string prefix = absl::StrCat("layers.", layer, ".");
    const int64_t width = config_.d_model;
    const int64_t keys = int64_t{config_.n_head} * config_.d_key;
    const int64_t values = int64_t{config_.n_head} * config_.d_value;
    Norm(absl::StrCat(prefix, "attn_norm"));
    Projection(absl::StrCat(prefix, "attn.q"), keys, width);
    Projection(absl::StrCat(prefix, "attn.k"), keys, width);
    Projection(absl::StrCat(prefix, "attn.v"), values, width);
    Projection(absl::StrCat(prefix, "attn.o"), width, values);
    Norm(absl::StrCat(prefix, "mlp_norm"));
    Projection(absl::StrCat(prefix, "mlp.up"), config_.d_ff, width);
    Projection(absl::StrCat(prefix, "mlp.down"), width, config_.d_ff);
  }

  void AddOutput() {
    if (config_.final_norm_epsilon.has_value()) Norm("final_norm");
    if (!config_.tied_head) Matrix("head.weight", config_.vocab_size, config_.d_model);
    if (config_.head_bias) Vector("head.bias", config_.vocab_size);
  }

  std::vector<TensorSpec> Take() && { return std::move(specs_); }

 private:
  void Vector(std::string name, int64_t size) {
    specs_.push_back({.name = std::move(name), .shape = {size}});
  }
  void Matrix(std::string name, int64_t out, int64_t in) {
    specs_.push_back({.name = std::move(name), .shape = {out, in}});
  }
  void Norm(absl::string_view name) {
    Vector(absl::StrCat(name, ".weight"), config_.d_model);
    if (config_.norm == Norm::kLayer) Vector(absl::StrCat(name, ".bias"), config_.d_model);
  }
  // Some relatives (GPT-Neo) have no bias here.
  void Projection(absl::string_view name, int64_t out, int64_t in) {
    Matrix(absl::StrCat(name, ".weight"), out, in);
    specs_.push_back({.name = absl::StrCat(name, ".bias"), .shape = {out}, .optional = true});
  }

  const ModelConfig& config_;
  std::vector<TensorSpec> specs_;
};

}  // namespace

std::vector<TensorSpec> TensorCatalog(const ModelConfig& config) {
  CatalogBuilder catalog(config);
  catalog.AddInput();
  for (int layer = 0; layer < config.n_layer; ++layer) catalog.AddLayer(layer);
  catalog.AddOutput();
  return std::move(catalog).Take();
}

}  // namespace strided
