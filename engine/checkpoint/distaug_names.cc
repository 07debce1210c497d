#include "engine/checkpoint/distaug_names.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace strided {
namespace {

constexpr absl::string_view kAverageSuffix = "/Ema/ema";
constexpr absl::string_view kOptimizers[] = {"Adam", "Adafactor"};

constexpr std::array<DistaugCondition, 8> kConditions = {{
    {"sos_rot", "rotation"},
    {"sos_c", "color"},
    {"sos_tr", "transposition"},
    {"sos_rev", "reverse"},
    {"sos_js", "jigsaw"},
    {"sos_aa", "randaugment"},
    {"sos_rd", "order"},
    {"sos_data", "dataset"},
}};

struct NamePair {
  absl::string_view ours;
  absl::string_view theirs;
  bool transposed = false;
};

// Behind "layers.{i}." and "model/h{i}/".
constexpr std::array<NamePair, 16> kLayerNames = {{
    {"attn_norm.weight", "attn_input/g"},
    {"attn_norm.bias", "attn_input/b"},
    {"attn.q.weight", "q_proj/w", true},
    {"attn.q.bias", "q_proj/b"},
    {"attn.k.weight", "k_proj/w", true},
    {"attn.k.bias", "k_proj/b"},
    {"attn.v.weight", "v_proj/w", true},
    {"attn.v.bias", "v_proj/b"},
    {"attn.o.weight", "post_proj/w", true},
    {"attn.o.bias", "post_proj/b"},
    {"mlp_norm.weight", "mlp/g"},
    {"mlp_norm.bias", "mlp/b"},
    {"mlp.up.weight", "mlp_proj1/w", true},
    {"mlp.up.bias", "mlp_proj1/b"},
    {"mlp.down.weight", "mlp_proj2/w", true},
    {"mlp.down.bias", "mlp_proj2/b"},
}};

// Behind "" and "model/".
constexpr std::array<NamePair, 5> kModelNames = {{
    {"token_embedding.weight", "we"},
    {"start", "sos_token/sos"},
    {"final_norm.weight", "final_norm/g"},
    {"final_norm.bias", "final_norm/b"},
    {"head.weight", "gen_logits/logits_proj", true},
}};

// The rest of `name` behind `prefix`, a number and `separator`, with the number as it is written.
struct Numbered {
  absl::string_view number;
  absl::string_view rest;
};

std::optional<Numbered> AfterNumber(absl::string_view name, absl::string_view prefix,
                                    char separator) {
  if (!absl::ConsumePrefix(&name, prefix)) return std::nullopt;
  const size_t end = name.find(separator);
  if (end == absl::string_view::npos) return std::nullopt;
  const absl::string_view number = name.substr(0, end);
  if (number.empty() || !std::all_of(number.begin(), number.end(), absl::ascii_isdigit)) {
    return std::nullopt;
  }
  return Numbered{.number = number, .rest = name.substr(end + 1)};
}

// Under "model/", with whether it is transposed.
std::pair<std::string, bool> NameUnderModel(absl::string_view ours) {
  if (const auto layer = AfterNumber(ours, "layers.", '.'); layer.has_value()) {
    for (const NamePair& pair : kLayerNames) {
      if (pair.ours != layer->rest) continue;
      return {absl::StrCat("h", layer->number, "/", pair.theirs), pair.transposed};
    }
  }
  if (const auto axis = AfterNumber(ours, "position_embedding.", '.'); axis.has_value()) {
    return {absl::StrCat("pos_emb_", axis->number), false};
  }
  for (const DistaugCondition& condition : kConditions) {
    if (ours == absl::StrCat("condition.", condition.condition, ".weight")) {
      return {absl::StrCat("sos_token/", condition.table), false};
    }
  }
  for (const NamePair& pair : kModelNames) {
    if (pair.ours == ours) return {std::string(pair.theirs), pair.transposed};
  }
  assert(false && "the catalog of such a model has no other names");
  return {};
}

}  // namespace

std::span<const DistaugCondition> DistaugConditions() { return kConditions; }

std::string NormalisedDistaugName(absl::string_view name) {
  absl::ConsumeSuffix(&name, ":0");
  return absl::StrJoin(absl::StrSplit(name, '/', absl::SkipEmpty()), "/");
}

DistaugTensor DistaugTensorOf(const TensorSpec& spec) {
  auto [name, transposed] = NameUnderModel(spec.name);
  DistaugTensor tensor = {
      .name = absl::StrCat("model/", name), .shape = spec.shape, .transposed = transposed};
  if (transposed) std::reverse(tensor.shape.begin(), tensor.shape.end());
  if (spec.name == "start") tensor.shape = {1, 1, spec.shape.front()};
  return tensor;
}

std::string AverageOf(absl::string_view name) { return absl::StrCat(name, kAverageSuffix); }

absl::string_view DistaugTensorBehind(absl::string_view name) {
  if (absl::ConsumeSuffix(&name, kAverageSuffix)) return name;
  const size_t slash = name.rfind('/');
  if (slash == absl::string_view::npos) return name;
  // "Adam" and "Adam_1" hold the two moments of Adam, "AdafactorCV" and "AdafactorRV" Adafactor's.
  for (const absl::string_view optimizer : kOptimizers) {
    if (absl::StartsWith(name.substr(slash + 1), optimizer)) return name.substr(0, slash);
  }
  return name;
}

std::optional<int64_t> DistaugLayerOf(absl::string_view name) {
  const auto layer = AfterNumber(name, "model/h", '/');
  int64_t index = 0;
  if (!layer.has_value() || !absl::SimpleAtoi(layer->number, &index)) return std::nullopt;
  return index;
}

}  // namespace strided
