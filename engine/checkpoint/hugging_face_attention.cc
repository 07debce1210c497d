#include "engine/checkpoint/hugging_face_attention.h"

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/model/config_parser.h"
#include "engine/model/json_object.h"

namespace strided {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

OrderedJson DensePattern() {
  OrderedJson pattern;
  pattern["pattern"] = "dense";
  return pattern;
}

// attention_types, a list of [[kind, ...], times], as a kind for each layer.
absl::StatusOr<std::vector<const Json*>> RepeatedKinds(HuggingFaceFields& fields, int64_t layers) {
  constexpr absl::string_view kName = "attention_types";
  const auto error = [&] {
    return fields.Error(
        kName, absl::StrCat("[[[\"global\", \"local\"], times], ...] of ", layers, " layers"));
  };
  ASSIGN_OR_RETURN(const std::vector<const Json*> groups, fields.object().List(kName, {1, layers}));
  std::vector<const Json*> kinds;
  for (const Json* const group : groups) {
    const bool shaped = group->is_array() && group->size() == 2 && (*group)[0].is_array() &&
                        (*group)[1].is_number_unsigned();
    if (!shaped) return error();
    const auto times = (*group)[1].get<uint64_t>();
    for (uint64_t i = 0; i < times; ++i) {
      for (const Json& kind : (*group)[0]) kinds.push_back(&kind);
      if ((*group)[0].empty() || kinds.size() > static_cast<size_t>(layers)) return error();
    }
  }
  if (kinds.size() != static_cast<size_t>(layers)) return error();
  return kinds;
}

}  // namespace

OrderedJson DenseAttention() { return OrderedJson::array({DensePattern()}); }

absl::StatusOr<OrderedJson> LocalAndGlobalAttention(HuggingFaceFields& fields, int64_t layers) {
  std::vector<const Json*> kinds;
  if (fields.IsGiven("attention_layers")) {
    ASSIGN_OR_RETURN(kinds, fields.object().List("attention_layers", {layers, layers}));
  } else {
    ASSIGN_OR_RETURN(kinds, RepeatedKinds(fields, layers));
  }
  ASSIGN_OR_RETURN(const int64_t window, fields.SizeOr("window_size", kMaxContextLength, 256));
  auto attention = OrderedJson::array();
  for (const Json* const kind : kinds) {
    if (*kind == "global") {
      attention.push_back(DensePattern());
    } else if (*kind == "local") {
      attention.push_back({{"pattern", "local"}, {"window", window}});
    } else {
      return JsonError("attention_layers", kind, "\"global\" or \"local\" for each layer");
    }
  }
  return attention;
}

absl::StatusOr<OrderedJson> FixedAndDenseAttention(HuggingFaceFields& fields,
                                                   absl::string_view positions_name,
                                                   int64_t positions) {
  enum class Mode { kNone, kAll, kAlternating };
  constexpr std::array<NamedValue<Mode>, 3> kModes = {
      {{"alternating", Mode::kAlternating}, {"all", Mode::kAll}, {"none", Mode::kNone}}};
  ASSIGN_OR_RETURN(const Mode mode, fields.object().OneOf<Mode>("sparse_mode", kModes));
  if (mode == Mode::kNone) return DenseAttention();
  const auto size = [&](absl::string_view name, int64_t otherwise) {
    return fields.SizeOr(name, kMaxContextLength, otherwise);
  };
  ASSIGN_OR_RETURN(const int64_t block, size("sparse_block_size", 16));
  ASSIGN_OR_RETURN(const int64_t local, size("sparse_num_local_blocks", 8));
  ASSIGN_OR_RETURN(const int64_t global, size("sparse_num_global_blocks", 1));
  ASSIGN_OR_RETURN(const int64_t spread, size("sparse_num_different_global_patterns", 8));
  const int64_t stride = block * local;
  if (positions % stride != 0) {
    return fields.Error(
        positions_name,
        absl::StrCat("a multiple of sparse_block_size * sparse_num_local_blocks, ", stride));
  }
  auto attention = OrderedJson::array();
  attention.push_back(
      {{"pattern", "fixed"}, {"stride", stride}, {"cells", block * global}, {"spread", spread}});
  if (mode == Mode::kAlternating) attention.push_back(DensePattern());
  return attention;
}

}  // namespace strided
