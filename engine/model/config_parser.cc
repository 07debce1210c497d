#include "engine/model/config_parser.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/model/attention_list.h"

namespace strided {
namespace {

using Json = nlohmann::json;

constexpr int kMaxImageSide = 65536;  // pixels
constexpr int kMaxChannels = 4;       // red, green, blue, alpha
constexpr int kMaxSampleRateHz = 768'000;
constexpr int kAudioCodes = 256;          // both encodings have 8-bit codes
constexpr size_t kMaxConditionName = 64;  // bytes
constexpr size_t kMaxLabel = 64;          // bytes

constexpr std::array<NamedValue<bool>, 1> kArchitectures = {{{"sparse_transformer", true}}};
constexpr std::array<NamedValue<Modality>, 3> kModalities = {
    {{"text", Modality::kText}, {"image", Modality::kImage}, {"audio", Modality::kAudio}}};
constexpr std::array<NamedValue<AudioEncoding>, 2> kEncodings = {
    {{"mulaw", AudioEncoding::kMulaw}, {"linear8", AudioEncoding::kLinear8}}};
constexpr std::array<NamedValue<Activation>, 4> kActivations = {
    {{"quick_gelu", Activation::kQuickGelu},
     {"gelu", Activation::kGelu},
     {"gelu_tanh", Activation::kGeluTanh},
     {"relu", Activation::kRelu}}};
constexpr std::array<NamedValue<AttentionScale>, 2> kAttentionScales = {
    {{"inverse_sqrt", AttentionScale::kInverseSqrt}, {"none", AttentionScale::kNone}}};
constexpr std::array<NamedValue<Norm>, 2> kNorms = {
    {{"layer", Norm::kLayer}, {"scale", Norm::kScale}}};
constexpr std::array<NamedValue<PositionRule>, 2> kPositionRules = {
    {{"previous", PositionRule::kPrevious}, {"current", PositionRule::kCurrent}}};

// "<a> * <b> is <found>; expected at most <most>" where two sizes are too large together.
absl::Status CheckProduct(absl::string_view names, int64_t product, int64_t most) {
  if (product <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(names, " is ", product, "; expected at most ", most));
}

// Condition names become parts of tensor names and keys of requests.
bool IsConditionName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxConditionName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
         });
}

// People type labels where they could type the value's number.
bool IsLabel(absl::string_view label) {
  const auto is_print = [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); };
  const auto is_digit = [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  return !label.empty() && label.size() <= kMaxLabel &&
         std::all_of(label.begin(), label.end(), is_print) &&
         !std::all_of(label.begin(), label.end(), is_digit);
}

// The names of a condition's `values` values; none where the object has no labels.
absl::StatusOr<std::vector<std::string>> ReadLabels(JsonObject& object, int64_t values) {
  std::vector<std::string> labels;
  if (object.Find("labels") == nullptr) return labels;
  ASSIGN_OR_RETURN(const std::vector<const Json*> elements,
                   object.List("labels", {values, values}));
  std::set<std::string> earlier;
  for (const Json* element : elements) {
    const std::string path = absl::StrCat(object.PathOf("labels"), "[", labels.size(), "]");
    if (!element->is_string() || !IsLabel(element->get<std::string>())) {
      return JsonError(
          path, element,
          absl::StrCat("1 to ", kMaxLabel, " bytes of printable ASCII that are no whole number"));
    }
    labels.push_back(element->get<std::string>());
    if (!earlier.insert(labels.back()).second) {
      return JsonError(path, element, "a label that no earlier value has");
    }
  }
  return labels;
}

}  // namespace

absl::StatusOr<ConfigParser> ConfigParser::Create(const Json* document) {
  ASSIGN_OR_RETURN(JsonObject root, JsonObject::Create(document, ""));
  return ConfigParser(std::move(root));
}

absl::StatusOr<ModelConfig> ConfigParser::Parse() && {
  RETURN_IF_ERROR(root_.OneOf<bool>("architecture", kArchitectures).status());
  RETURN_IF_ERROR(ReadModality());
  RETURN_IF_ERROR(ReadSizes());
  RETURN_IF_ERROR(ReadArithmetic());
  RETURN_IF_ERROR(ReadPositions());
  ASSIGN_OR_RETURN(config_.attention, ParseAttention(root_, config_.n_layer, config_.n_head));
  RETURN_IF_ERROR(ReadConditions());
  RETURN_IF_ERROR(ReadStartToken());
  RETURN_IF_ERROR(ReadEndToken());
  ASSIGN_OR_RETURN(config_.tied_head, root_.Boolean("tied_head"));
  ASSIGN_OR_RETURN(config_.head_bias, root_.Boolean("head_bias"));
  RETURN_IF_ERROR(ReadImage());
  RETURN_IF_ERROR(ReadAudio());
  RETURN_IF_ERROR(root_.RefuseOthers());
  return std::move(config_);
}

absl::StatusOr<int> ConfigParser::Size(absl::string_view name, int most) {
  ASSIGN_OR_RETURN(const int64_t size, root_.Integer(name, {1, most}));
  return static_cast<int>(size);
}

absl::Status ConfigParser::ReadModality() {
  ASSIGN_OR_RETURN(config_.modality, root_.OneOf<Modality>("modality", kModalities));
  return absl::OkStatus();
}

absl::Status ConfigParser::ReadSizes() {
  ASSIGN_OR_RETURN(config_.vocab_size, Size("vocab_size", kMaxVocabSize));
  ASSIGN_OR_RETURN(config_.context_length, Size("context_length", kMaxContextLength));
  ASSIGN_OR_RETURN(config_.n_layer, Size("n_layer", kMaxLayers));
  ASSIGN_OR_RETURN(config_.n_head, Size("n_head", kMaxHeads));
  ASSIGN_OR_RETURN(config_.d_model, Size("d_model", kMaxWidth));
  ASSIGN_OR_RETURN(config_.d_ff, Size("d_ff", kMaxFeedForward));
  ASSIGN_OR_RETURN(config_.d_key, Size("d_key", kMaxWidth));
  ASSIGN_OR_RETURN(config_.d_value, Size("d_value", kMaxWidth));
  const int64_t heads = config_.n_head;
  RETURN_IF_ERROR(CheckProduct("n_layer * n_head", config_.n_layer * heads, kMaxHeadsOfModel));
  RETURN_IF_ERROR(CheckProduct("n_head * d_key", heads * config_.d_key, kMaxWidth));
  return CheckProduct("n_head * d_value", heads * config_.d_value, kMaxWidth);
}

absl::Status ConfigParser::ReadArithmetic() {
  ASSIGN_OR_RETURN(config_.activation, root_.OneOf<Activation>("activation", kActivations));
  if (root_.Find("norm") != nullptr) {
    ASSIGN_OR_RETURN(config_.norm, root_.OneOf<Norm>("norm", kNorms));
  }
  if (root_.Find("wide_hidden") != nullptr) {
    ASSIGN_OR_RETURN(config_.wide_hidden, root_.Boolean("wide_hidden"));
  }
  ASSIGN_OR_RETURN(config_.norm_epsilon, root_.Fraction("norm_epsilon"));
  ASSIGN_OR_RETURN(config_.final_norm_epsilon, root_.FractionOrNull("final_norm_epsilon"));
  ASSIGN_OR_RETURN(config_.attention_scale,
                   root_.OneOf<AttentionScale>("attention_scale", kAttentionScales));
  return absl::OkStatus();
}

absl::Status ConfigParser::ReadPositions() {
  ASSIGN_OR_RETURN(const std::vector<int64_t> axes,
                   root_.Integers("position_axes", {1, kMaxPositionAxes}, {1, kMaxPositions}));
  int64_t positions = 1;
  for (const int64_t axis : axes) {
    positions *= axis;
    RETURN_IF_ERROR(CheckProduct("the product of position_axes", positions, kMaxPositions));
    config_.position_axes.push_back(static_cast<int>(axis));
  }
  if (positions < config_.context_length) {
    return absl::InvalidArgumentError(absl::StrCat("the product of position_axes is ", positions,
                                                   "; expected at least ", config_.context_length,
                                                   ", the context_length"));
  }
  ASSIGN_OR_RETURN(config_.position_rule,
                   root_.OneOf<PositionRule>("position_rule", kPositionRules));
  return absl::OkStatus();
}

absl::Status ConfigParser::ReadImage() {
  const Json* value = root_.Find("image");
  if (config_.modality != Modality::kImage) {
    if (value == nullptr) return absl::OkStatus();
    return JsonError("image", value,
                     absl::StrCat("none with the modality ", ModalityName(config_.modality)));
  }
  if (value == nullptr) return JsonError("image", value, "an object");
  ASSIGN_OR_RETURN(JsonObject image, JsonObject::Create(value, "image"));
  ASSIGN_OR_RETURN(const int64_t height, image.Integer("height", {1, kMaxImageSide}));
  ASSIGN_OR_RETURN(const int64_t width, image.Integer("width", {1, kMaxImageSide}));
  ASSIGN_OR_RETURN(const int64_t channels, image.Integer("channels", {1, kMaxChannels}));
  if (height * width * channels != config_.context_length) {
    return absl::InvalidArgumentError(
        absl::StrCat("image.height * image.width * image.channels is ", height * width * channels,
                     "; expected ", config_.context_length, ", the context_length"));
  }
  config_.image = ImageShape{.height = static_cast<int>(height),
                             .width = static_cast<int>(width),
                             .channels = static_cast<int>(channels)};
  return image.RefuseOthers();
}

absl::Status ConfigParser::ReadAudio() {
  const Json* value = root_.Find("audio");
  if (config_.modality != Modality::kAudio) {
    if (value == nullptr) return absl::OkStatus();
    return JsonError("audio", value,
                     absl::StrCat("none with the modality ", ModalityName(config_.modality)));
  }
  if (value == nullptr) return JsonError("audio", value, "an object");
  ASSIGN_OR_RETURN(JsonObject audio, JsonObject::Create(value, "audio"));
  ASSIGN_OR_RETURN(const int64_t rate, audio.Integer("sample_rate_hz", {1, kMaxSampleRateHz}));
  ASSIGN_OR_RETURN(const AudioEncoding encoding,
                   audio.OneOf<AudioEncoding>("encoding", kEncodings));
  if (config_.vocab_size > kAudioCodes) {
    return absl::InvalidArgumentError(absl::StrCat("vocab_size is ", config_.vocab_size,
                                                   "; expected at most ", kAudioCodes,
                                                   " with the modality audio"));
  }
  config_.audio = AudioFormat{.sample_rate_hz = static_cast<int>(rate), .encoding = encoding};
  return audio.RefuseOthers();
}

absl::Status ConfigParser::ReadConditions() {
  if (root_.Find("conditions") == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<const Json*> values,
                   root_.List("conditions", {0, kMaxConditions}));
  for (const Json* value : values) {
    ASSIGN_OR_RETURN(Condition condition, ReadCondition(value));
    config_.conditions.push_back(std::move(condition));
  }
  return absl::OkStatus();
}

absl::Status ConfigParser::ReadStartToken() {
  const Json* const value = root_.Find("start_token");
  if (value == nullptr) return absl::OkStatus();
  config_.has_start_vector = false;
  if (!value->is_null()) {
    ASSIGN_OR_RETURN(const int64_t token,
                     root_.Integer("start_token", {0, config_.vocab_size - 1}));
    config_.start_token = static_cast<int>(token);
  }
  if (config_.position_rule != PositionRule::kCurrent) {
    return JsonError("position_rule", root_.Find("position_rule"),
                     "\"current\" with a start_token");
  }
  if (config_.conditions.empty()) return absl::OkStatus();
  return JsonError("conditions", root_.Find("conditions"), "none with a start_token");
}

absl::Status ConfigParser::ReadEndToken() {
  if (root_.Find("end_token") == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t token, root_.Integer("end_token", {0, config_.vocab_size - 1}));
  config_.end_token = static_cast<int>(token);
  return absl::OkStatus();
}

absl::StatusOr<Condition> ConfigParser::ReadCondition(const Json* value) const {
  const std::string path = absl::StrCat("conditions[", config_.conditions.size(), "]");
  ASSIGN_OR_RETURN(JsonObject object, JsonObject::Create(value, path));
  ASSIGN_OR_RETURN(std::string name, object.String("name"));
  if (!IsConditionName(name)) {
    return JsonError(object.PathOf("name"), object.Find("name"),
                     absl::StrCat("1 to ", kMaxConditionName, " of a-z, 0-9 and _"));
  }
  for (const Condition& earlier : config_.conditions) {
    if (earlier.name == name) {
      return JsonError(object.PathOf("name"), object.Find("name"),
                       "a name that no earlier condition has");
    }
  }
  ASSIGN_OR_RETURN(const int64_t values, object.Integer("values", {1, kMaxVocabSize}));
  ASSIGN_OR_RETURN(std::vector<std::string> labels, ReadLabels(object, values));
  RETURN_IF_ERROR(object.RefuseOthers());
  return Condition{
      .name = std::move(name), .values = static_cast<int>(values), .labels = std::move(labels)};
}

}  // namespace strided
