#include "engine/checkpoint/hugging_face_config.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/hugging_face_attention.h"
#include "engine/checkpoint/hugging_face_fields.h"
#include "engine/model/config_parser.h"
#include "engine/model/json_object.h"
#include "engine/model/strict_json.h"

namespace strided {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::array<NamedValue<HuggingFaceFamily>, 4> kFamilies = {
    {{"gpt2", HuggingFaceFamily::kGpt2},
     {"gpt_neo", HuggingFaceFamily::kGptNeo},
     {"imagegpt", HuggingFaceFamily::kImageGpt},
     {"rugpt3xl", HuggingFaceFamily::kRuGpt3Xl}}};

// transformers' names of activations, and ours.
constexpr std::array<NamedValue<absl::string_view>, 6> kActivations = {
    {{"gelu_new", "gelu_tanh"},
     {"gelu_pytorch_tanh", "gelu_tanh"},
     {"gelu_fast", "gelu_tanh"},
     {"gelu", "gelu"},
     {"quick_gelu", "quick_gelu"},
     {"relu", "relu"}}};

// What a family calls its fields, and what it takes where one is not written.
struct FieldNames {
  absl::string_view width;
  absl::string_view layers;
  absl::string_view heads;
  absl::string_view positions;
  absl::string_view inner;
  absl::string_view epsilon;
  absl::string_view activation;
  absl::string_view usual_activation;
  bool usually_tied;
};

FieldNames NamesOf(HuggingFaceFamily family) {
  switch (family) {
    case HuggingFaceFamily::kGpt2:
      return {"n_embd",
              "n_layer",
              "n_head",
              "n_positions",
              "n_inner",
              "layer_norm_epsilon",
              "activation_function",
              "gelu_new",
              true};
    case HuggingFaceFamily::kGptNeo:
      return {"hidden_size",
              "num_layers",
              "num_heads",
              "max_position_embeddings",
              "intermediate_size",
              "layer_norm_epsilon",
              "activation_function",
              "gelu_new",
              true};
    case HuggingFaceFamily::kImageGpt:
      return {"n_embd",
              "n_layer",
              "n_head",
              "n_positions",
              "n_inner",
              "layer_norm_epsilon",
              "activation_function",
              "quick_gelu",
              false};
    case HuggingFaceFamily::kRuGpt3Xl:
      break;
  }
  return {"hidden_size",
          "num_hidden_layers",
          "num_attention_heads",
          "max_position_embeddings",
          "intermediate_size",
          "layer_norm_eps",
          "hidden_act",
          "gelu_new",
          true};
}

// Writes our config.json, field by field. Use: once.
class Translator {
 public:
  Translator(HuggingFaceFamily family, HuggingFaceFields source)
      : family_(family), names_(NamesOf(family)), source_(std::move(source)) {}

  absl::StatusOr<OrderedJson> Translate() && {
    ours_["architecture"] = "sparse_transformer";
    ours_["modality"] = IsImage() ? "image" : "text";
    RETURN_IF_ERROR(Sizes());
    RETURN_IF_ERROR(Arithmetic());
    RETURN_IF_ERROR(Attention());
    RETURN_IF_ERROR(Ends());
    return std::move(ours_);
  }

 private:
  bool IsImage() const { return family_ == HuggingFaceFamily::kImageGpt; }

  absl::Status Sizes() {
    ASSIGN_OR_RETURN(vocab_size_, source_.Size("vocab_size", kMaxVocabSize));
    ASSIGN_OR_RETURN(positions_, source_.Size(names_.positions, kMaxContextLength));
    ASSIGN_OR_RETURN(const int64_t width, source_.Size(names_.width, kMaxWidth));
    ASSIGN_OR_RETURN(layers_, source_.Size(names_.layers, kMaxLayers));
    ASSIGN_OR_RETURN(const int64_t heads, source_.Size(names_.heads, kMaxHeads));
    ASSIGN_OR_RETURN(const int64_t inner, source_.SizeOr(names_.inner, kMaxFeedForward, 4 * width));
    if (width % heads != 0) {
      return source_.Error(names_.heads, absl::StrCat("a divisor of ", names_.width, ", ", width));
    }
    ours_["vocab_size"] = IsImage() ? vocab_size_ - 1 : vocab_size_;
    ours_["context_length"] = positions_;
    ours_["n_layer"] = layers_;
    ours_["n_head"] = heads;
    ours_["d_model"] = width;
    ours_["d_ff"] = inner;
    ours_["d_key"] = width / heads;
    ours_["d_value"] = width / heads;
    return absl::OkStatus();
  }

  absl::Status Arithmetic() {
    absl::string_view activation = names_.usual_activation;
    if (source_.IsGiven(names_.activation)) activation = names_.activation;
    if (activation == names_.activation) {
      ASSIGN_OR_RETURN(activation,
                       source_.object().OneOf<absl::string_view>(names_.activation, kActivations));
    } else {
      for (const auto& [theirs, ours] : kActivations) {
        if (theirs == names_.usual_activation) activation = ours;
      }
    }
    double epsilon = 1e-5;
    if (source_.IsGiven(names_.epsilon)) {
      ASSIGN_OR_RETURN(epsilon, source_.object().Fraction(names_.epsilon));
    }
    ours_["activation"] = std::string(activation);
    ours_["norm"] = IsImage() ? "scale" : "layer";
    ours_["norm_epsilon"] = epsilon;
    ours_["final_norm_epsilon"] = epsilon;
    RETURN_IF_ERROR(source_.RefuseTrue("scale_attn_by_inverse_layer_idx"));
    RETURN_IF_ERROR(source_.RefuseTrue("add_cross_attention"));
    ASSIGN_OR_RETURN(const bool scaled, source_.BooleanOr("scale_attn_weights", true));
    const bool neo = family_ == HuggingFaceFamily::kGptNeo;
    ours_["attention_scale"] = scaled && !neo ? "inverse_sqrt" : "none";
    return absl::OkStatus();
  }

  absl::Status Attention() {
    ours_["position_axes"] = {positions_};
    ours_["position_rule"] = "current";
    ASSIGN_OR_RETURN(ours_["attention"], Patterns());
    return absl::OkStatus();
  }

  absl::StatusOr<OrderedJson> Patterns() {
    switch (family_) {
      case HuggingFaceFamily::kGptNeo:
        return LocalAndGlobalAttention(source_, layers_);
      case HuggingFaceFamily::kRuGpt3Xl:
        return FixedAndDenseAttention(source_, names_.positions, positions_);
      default:
        return DenseAttention();
    }
  }

  // How a sequence begins, and the output matrix.
  absl::Status Ends() {
    ASSIGN_OR_RETURN(const bool tied,
                     source_.BooleanOr("tie_word_embeddings", names_.usually_tied));
    if (IsImage()) {
      if (tied) return source_.Error("tie_word_embeddings", "false");
      RETURN_IF_ERROR(Square());
    } else {
      ours_["start_token"] = TokenOf({"bos_token_id", "eos_token_id"});
      OrderedJson end = TokenOf({"eos_token_id"});
      if (!end.is_null()) ours_["end_token"] = std::move(end);
    }
    ours_["tied_head"] = tied;
    ours_["head_bias"] = false;
    return absl::OkStatus();
  }

  absl::Status Square() {
    const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(positions_))));
    if (side * side != positions_ || vocab_size_ < 2) {
      return source_.Error(names_.positions,
                           "a square number of pixels, and a vocab_size of at least 2");
    }
    ours_["image"] = {{"height", side}, {"width", side}, {"channels", 1}};
    return absl::OkStatus();
  }

  // The first of the fields that is a token, else null: small models keep GPT-2's bos_token_id with
  // a smaller vocabulary.
  OrderedJson TokenOf(std::initializer_list<absl::string_view> names) {
    for (const absl::string_view name : names) {
      const Json* const value = source_.object().Find(name);
      if (value != nullptr && value->is_number_unsigned() &&
          value->get<uint64_t>() < static_cast<uint64_t>(vocab_size_)) {
        return value->get<int64_t>();
      }
    }
    return nullptr;
  }

  const HuggingFaceFamily family_;
  const FieldNames names_;
  HuggingFaceFields source_;
  OrderedJson ours_;
  int64_t vocab_size_ = 0;  // theirs
  int64_t positions_ = 0;
  int64_t layers_ = 0;
};

absl::StatusOr<HuggingFaceConfig> Parse(absl::string_view text) {
  ASSIGN_OR_RETURN(const Json document, ParseStrictJson(text));
  ASSIGN_OR_RETURN(JsonObject source, JsonObject::Create(&document, ""));
  HuggingFaceConfig parsed;
  ASSIGN_OR_RETURN(parsed.family, source.OneOf<HuggingFaceFamily>("model_type", kFamilies));
  ASSIGN_OR_RETURN(const OrderedJson ours,
                   Translator(parsed.family, HuggingFaceFields(std::move(source))).Translate());
  parsed.text = absl::StrCat(ours.dump(2), "\n");
  ASSIGN_OR_RETURN(parsed.config, ModelConfig::FromJson(parsed.text, "as config.json of ours"));
  return parsed;
}

}  // namespace

bool IsHuggingFaceConfig(absl::string_view text) {
  const absl::StatusOr<Json> document = ParseStrictJson(text);
  return document.ok() && document->is_object() && document->contains("model_type");
}

absl::StatusOr<HuggingFaceConfig> ParseHuggingFaceConfig(absl::string_view text,
                                                         absl::string_view source) {
  absl::StatusOr<HuggingFaceConfig> parsed = Parse(text);
  if (parsed.ok()) return parsed;
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", parsed.status().message()));
}

}  // namespace strided
