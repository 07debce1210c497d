#include "engine/checkpoint/hugging_face_layout.h"

#include <array>
#include <cassert>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace strided {
namespace {

// Our name of a part of the network, and theirs.
using PartName = std::pair<absl::string_view, absl::string_view>;

// GPT2LMHeadModel and ImageGPTForCausalImageModeling: Conv1D matrices, q, k and v in one.
constexpr std::array<PartName, 13> kGpt2 = {{{"token_embedding", "wte"},
                                             {"position_embedding.0", "wpe"},
                                             {"start", "wte.weight"},
                                             {"attn_norm", "ln_1"},
                                             {"attn.q", "attn.c_attn"},
                                             {"attn.k", "attn.c_attn"},
                                             {"attn.v", "attn.c_attn"},
                                             {"attn.o", "attn.c_proj"},
                                             {"mlp_norm", "ln_2"},
                                             {"mlp.up", "mlp.c_fc"},
                                             {"mlp.down", "mlp.c_proj"},
                                             {"final_norm", "ln_f"},
                                             {"head", "lm_head"}}};

// GPTNeoForCausalLM.
constexpr std::array<PartName, 12> kGptNeo = {{{"token_embedding", "wte"},
                                               {"position_embedding.0", "wpe"},
                                               {"attn_norm", "ln_1"},
                                               {"attn.q", "attn.attention.q_proj"},
                                               {"attn.k", "attn.attention.k_proj"},
                                               {"attn.v", "attn.attention.v_proj"},
                                               {"attn.o", "attn.attention.out_proj"},
                                               {"mlp_norm", "ln_2"},
                                               {"mlp.up", "mlp.c_fc"},
                                               {"mlp.down", "mlp.c_proj"},
                                               {"final_norm", "ln_f"},
                                               {"head", "lm_head"}}};

// RuGPT3XLForCausalLM, of the converted weights.
constexpr std::array<PartName, 12> kRuGpt3Xl = {{{"token_embedding", "embed_tokens"},
                                                 {"position_embedding.0", "embed_positions"},
                                                 {"attn_norm", "input_layernorm"},
                                                 {"attn.q", "self_attn.q_proj"},
                                                 {"attn.k", "self_attn.k_proj"},
                                                 {"attn.v", "self_attn.v_proj"},
                                                 {"attn.o", "self_attn.o_proj"},
                                                 {"mlp_norm", "post_attention_layernorm"},
                                                 {"mlp.up", "mlp.up_proj"},
                                                 {"mlp.down", "mlp.down_proj"},
                                                 {"final_norm", "norm"},
                                                 {"head", "lm_head"}}};

std::span<const PartName> PartsOf(HuggingFaceFamily family) {
  switch (family) {
    case HuggingFaceFamily::kGpt2:
    case HuggingFaceFamily::kImageGpt:
      return kGpt2;
    case HuggingFaceFamily::kGptNeo:
      return kGptNeo;
    case HuggingFaceFamily::kRuGpt3Xl:
      break;
  }
  return kRuGpt3Xl;
}

absl::string_view TheirPart(HuggingFaceFamily family, absl::string_view ours) {
  for (const auto& [name, theirs] : PartsOf(family)) {
    if (name == ours) return theirs;
  }
  assert(false && "a family's parts are those of its configuration's catalog");
  return "";
}

// A name of ours, taken apart: "layers.3.attn.q.weight" has the layer "3", the part "attn.q" and
// the ending ".weight".
struct OurName {
  absl::string_view layer;  // empty outside of the layers
  absl::string_view part;
  absl::string_view ending;
};

OurName TakeApart(absl::string_view name) {
  OurName ours;
  if (absl::ConsumePrefix(&name, "layers.")) {
    ours.layer = name.substr(0, name.find('.'));
    name.remove_prefix(ours.layer.size() + 1);
  }
  for (const absl::string_view ending : {".weight", ".bias"}) {
    if (absl::EndsWith(name, ending)) ours.ending = ending;
  }
  ours.part = name.substr(0, name.size() - ours.ending.size());
  return ours;
}

// Which third of a fused q, k and v it is.
int64_t ThirdOf(absl::string_view part) { return part == "attn.q" ? 0 : part == "attn.k" ? 1 : 2; }

}  // namespace

TensorPlace PlaceOf(const TensorSpec& spec, const HuggingFaceConfig& config) {
  const OurName ours = TakeApart(spec.name);
  const bool is_gpt2 = PartsOf(config.family).data() == kGpt2.data();
  const bool is_query_key_value =
      ours.part == "attn.q" || ours.part == "attn.k" || ours.part == "attn.v";
  const bool is_projection =
      absl::StartsWith(ours.part, "attn.") || absl::StartsWith(ours.part, "mlp.");
  TensorPlace place;
  if (!ours.layer.empty()) {
    const bool is_rugpt = config.family == HuggingFaceFamily::kRuGpt3Xl;
    place.name = absl::StrCat(is_rugpt ? "layers." : "h.", ours.layer, ".");
  }
  absl::StrAppend(&place.name, TheirPart(config.family, ours.part), ours.ending);
  place.shape = spec.shape;
  if (is_gpt2 && is_query_key_value) {
    place.first_row = ThirdOf(ours.part) * spec.shape[0];
    place.shape[0] *= 3;
  }
  if (is_gpt2 && is_projection && spec.shape.size() == 2) {
    place.by_columns = true;
    std::swap(place.shape[0], place.shape[1]);
  }
  if (ours.part == "start" || ours.part == "token_embedding") {
    const bool is_image = config.family == HuggingFaceFamily::kImageGpt;
    place.shape = {config.config.vocab_size + (is_image ? 1 : 0), config.config.d_model};
    if (ours.part == "start") place.first_row = config.config.vocab_size;
  }
  place.required =
      !(config.family == HuggingFaceFamily::kGptNeo && spec.optional && is_query_key_value);
  return place;
}

absl::string_view PrefixOf(HuggingFaceFamily family) {
  return family == HuggingFaceFamily::kRuGpt3Xl ? "model." : "transformer.";
}

bool IsSpare(absl::string_view name, const HuggingFaceConfig& config) {
  if (config.config.tied_head && name == "lm_head.weight") return true;
  if (config.family == HuggingFaceFamily::kRuGpt3Xl) return false;
  for (const absl::string_view mask :
       {".attn.bias", ".attn.masked_bias", ".attn.attention.bias", ".attn.attention.masked_bias"}) {
    if (absl::EndsWith(name, mask)) return true;
  }
  return false;
}

}  // namespace strided
