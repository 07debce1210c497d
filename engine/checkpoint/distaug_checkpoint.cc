#include "engine/checkpoint/distaug_checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/distaug_names.h"

namespace strided {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNormEpsilon = 1e-5;
constexpr double kFinalNormEpsilon = 1e-6;
constexpr int kImageAxes = 3;          // rows, columns, channels
constexpr int64_t kMaxAxis = 1 << 16;  // of an image's side; products then fit an int64

Json PatternJson(PatternKind kind, int stride) {
  Json entry = {{"pattern", std::string(PatternName(kind))}};
  if (kind == PatternKind::kLocal) entry["window"] = stride;
  if (kind == PatternKind::kStrided) entry["stride"] = stride;
  return entry;
}

Json ConfigJson(const DistaugLayout& layout, const DistaugSizes& sizes,
                const std::vector<Condition>& conditions) {
  const std::vector<int64_t>& axes = sizes.position_axes;
  Json json = {{"architecture", "sparse_transformer"},
               {"modality", "image"},
               {"image", {{"height", axes[0]}, {"width", axes[1]}, {"channels", axes[2]}}},
               {"vocab_size", sizes.vocab_size},
               {"context_length", axes[0] * axes[1] * axes[2]},
               {"n_layer", sizes.n_layer},
               {"n_head", layout.n_head},
               {"d_model", sizes.d_model},
               {"d_ff", sizes.d_ff},
               {"d_key", sizes.key_width / layout.n_head},
               {"d_value", sizes.value_width / layout.n_head},
               {"activation", "quick_gelu"},
               {"norm_epsilon", kNormEpsilon},
               {"final_norm_epsilon", kFinalNormEpsilon},
               {"attention_scale", "inverse_sqrt"},
               {"position_axes", axes},
               {"position_rule", "previous"},
               {"attention", Json::array()},
               {"conditions", Json::array()},
               {"tied_head", false},
               {"head_bias", false}};
  for (const PatternKind kind : layout.schedule) {
    json["attention"].push_back(PatternJson(kind, layout.stride));
  }
  for (const Condition& condition : conditions) {
    json["conditions"].push_back({{"name", condition.name}, {"values", condition.values}});
  }
  return json;
}

bool SameSizes(const DistaugSizes& a, const DistaugSizes& b) {
  return a.n_layer == b.n_layer && a.d_model == b.d_model && a.d_ff == b.d_ff &&
         a.vocab_size == b.vocab_size && a.key_width == b.key_width &&
         a.value_width == b.value_width && a.position_axes == b.position_axes;
}

// " (c10-15m has the same sizes)" for the preset that has; else "".
std::string PresetHint(const DistaugSizes& sizes) {
  for (const DistaugPreset& preset : DistaugPresets()) {
    if (SameSizes(preset.sizes, sizes)) {
      return absl::StrCat(" (", preset.name, " has the same sizes)");
    }
  }
  return "";
}

}  // namespace

absl::Status DistaugCheckpoint::Invalid(absl::string_view text) const {
  return absl::InvalidArgumentError(absl::StrCat(file_.path(), ": ", text));
}

absl::StatusOr<DistaugCheckpoint> DistaugCheckpoint::Open(NpzFile file,
                                                          const DistaugOptions& options) {
  ASSIGN_OR_RETURN(Arrays arrays, NormalisedNames(file));
  DistaugCheckpoint checkpoint(std::move(file), std::move(arrays), options.raw);
  if (options.preset.has_value()) {
    RETURN_IF_ERROR(checkpoint.Configure(options.preset->layout, options.preset->sizes));
    RETURN_IF_ERROR(checkpoint.CheckTensors(options.preset->name));
  } else {
    ASSIGN_OR_RETURN(const DistaugSizes sizes, checkpoint.InferSizes());
    if (!options.layout.has_value()) {
      return checkpoint.Invalid(absl::StrCat("does not say which heads, schedule and stride it has",
                                             PresetHint(sizes),
                                             "; expected a preset, or these three"));
    }
    RETURN_IF_ERROR(checkpoint.Configure(*options.layout, sizes));
    RETURN_IF_ERROR(checkpoint.CheckTensors("the rest of the file"));
  }
  RETURN_IF_ERROR(checkpoint.RefuseOthers());
  return checkpoint;
}

absl::StatusOr<DistaugCheckpoint::Arrays> DistaugCheckpoint::NormalisedNames(const NpzFile& file) {
  Arrays arrays;
  for (const std::string& name : file.Names()) {
    const std::string normalised = NormalisedDistaugName(name);
    if (arrays.emplace(normalised, name).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": ", normalised, " is there twice; expected it once"));
  }
  return arrays;
}

std::string DistaugCheckpoint::ChosenName(absl::string_view name) const {
  return raw_ ? std::string(name) : AverageOf(name);
}

absl::StatusOr<std::vector<int64_t>> DistaugCheckpoint::Shape(absl::string_view name,
                                                              size_t dimensions) const {
  const std::string chosen = ChosenName(name);
  const auto found = arrays_.find(chosen);
  if (found == arrays_.end()) {
    const bool other = arrays_.contains(raw_ ? AverageOf(name) : std::string(name));
    return Invalid(absl::StrCat(chosen, " is missing; expected ",
                                raw_ ? "the weights of the last step" : "a moving average",
                                other ? ", and the file has only the other of these two" : ""));
  }
  ASSIGN_OR_RETURN(const NpyHeader header, file_.Header(found->second));
  if (header.shape.size() != dimensions) {
    return Invalid(absl::StrCat(chosen, " has shape ", ShapeText(header.shape), "; expected ",
                                dimensions, " dimensions"));
  }
  return header.shape;
}

absl::StatusOr<int64_t> DistaugCheckpoint::CountLayers() const {
  int64_t layers = 0;
  for (const auto& [name, array] : arrays_) {
    layers = std::max(layers, DistaugLayerOf(name).value_or(-1) + 1);
  }
  if (layers == 0) return Invalid("has no model/h0/...; expected at least one layer");
  return layers;
}

absl::StatusOr<DistaugSizes> DistaugCheckpoint::InferSizes() const {
  DistaugSizes sizes;
  ASSIGN_OR_RETURN(sizes.n_layer, CountLayers());
  ASSIGN_OR_RETURN(const std::vector<int64_t> embedding, Shape("model/we", 2));
  sizes.vocab_size = embedding[0];
  sizes.d_model = embedding[1];
  ASSIGN_OR_RETURN(const std::vector<int64_t> query, Shape("model/h0/q_proj/w", 2));
  sizes.key_width = query[1];
  ASSIGN_OR_RETURN(const std::vector<int64_t> value, Shape("model/h0/v_proj/w", 2));
  sizes.value_width = value[1];
  ASSIGN_OR_RETURN(const std::vector<int64_t> up, Shape("model/h0/mlp_proj1/w", 2));
  sizes.d_ff = up[1];
  for (int axis = 0; axis < kImageAxes; ++axis) {
    const std::string name = absl::StrCat("model/pos_emb_", axis);
    ASSIGN_OR_RETURN(const std::vector<int64_t> table, Shape(name, 2));
    if (table[0] > kMaxAxis) {
      return Invalid(
          absl::StrCat(ChosenName(name), " has ", table[0], " rows; expected at most ", kMaxAxis));
    }
    sizes.position_axes.push_back(table[0]);
  }
  return sizes;
}

absl::StatusOr<std::vector<Condition>> DistaugCheckpoint::FindConditions() const {
  std::vector<Condition> conditions;
  for (const DistaugCondition& known : DistaugConditions()) {
    const std::string name = absl::StrCat("model/sos_token/", known.table);
    if (!HasChosen(name)) continue;
    ASSIGN_OR_RETURN(const std::vector<int64_t> table, Shape(name, 2));
    // Any array that a header may describe has fewer rows than an int holds.
    conditions.push_back(
        {.name = std::string(known.condition), .values = static_cast<int>(table[0])});
  }
  return conditions;
}

absl::Status DistaugCheckpoint::Configure(const DistaugLayout& layout, const DistaugSizes& sizes) {
  if (layout.n_head < 1 || sizes.key_width % layout.n_head != 0 ||
      sizes.value_width % layout.n_head != 0) {
    return Invalid(absl::StrCat(layout.n_head, " heads do not share keys of ", sizes.key_width,
                                " and values of ", sizes.value_width,
                                " numbers; expected a divisor of both"));
  }
  ASSIGN_OR_RETURN(const std::vector<Condition> conditions, FindConditions());
  config_json_ = absl::StrCat(ConfigJson(layout, sizes, conditions).dump(2), "\n");
  ASSIGN_OR_RETURN(config_, ModelConfig::FromJson(config_json_, file_.path()));
  return absl::OkStatus();
}

absl::Status DistaugCheckpoint::CheckTensors(absl::string_view source) const {
  for (const TensorSpec& spec : TensorCatalog(config_)) {
    const DistaugTensor expected = DistaugTensorOf(spec);
    ASSIGN_OR_RETURN(const std::vector<int64_t> shape, Shape(expected.name, expected.shape.size()));
    if (shape == expected.shape) continue;
    return Invalid(absl::StrCat(ChosenName(expected.name), " has shape ", ShapeText(shape),
                                "; expected ", ShapeText(expected.shape), ", as ", source,
                                " has it"));
  }
  return absl::OkStatus();
}

absl::Status DistaugCheckpoint::RefuseOthers() const {
  std::set<std::string, std::less<>> known;
  for (const TensorSpec& spec : TensorCatalog(config_)) known.insert(DistaugTensorOf(spec).name);
  for (const auto& [name, array] : arrays_) {
    // What lies outside is about the training: steps, epochs, loss scale.
    if (!absl::StartsWith(name, "model/") || known.contains(DistaugTensorBehind(name))) continue;
    return Invalid(
        absl::StrCat(name, " is not of this network; expected no such tensor under ", "model/"));
  }
  return absl::OkStatus();
}

bool DistaugCheckpoint::Has(const TensorSpec& spec) const {
  return HasChosen(DistaugTensorOf(spec).name);
}

absl::StatusOr<std::vector<float>> DistaugCheckpoint::Read(const TensorSpec& spec) const {
  const DistaugTensor tensor = DistaugTensorOf(spec);
  return file_.Read(arrays_.at(ChosenName(tensor.name)),
                    tensor.transposed ? ElementOrder::kColumnMajor : ElementOrder::kRowMajor);
}

}  // namespace strided
