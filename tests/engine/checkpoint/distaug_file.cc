#include "tests/engine/checkpoint/distaug_file.h"

#include "absl/strings/str_cat.h"

namespace strided {
namespace {

void Add(const std::string& name, std::vector<int64_t> shape, DistaugShapes& shapes) {
  shapes[absl::StrCat("model/", name, "/Ema/ema:0")] = std::move(shape);
  for (const char* other : {":0", "/Adam:0", "/Adam_1:0"}) {
    shapes[absl::StrCat("model/", name, other)] = {1};
  }
}

}  // namespace

DistaugShapes SmallDistaugShapes() {
  DistaugShapes shapes = {{"global_step:0", {1}}};
  Add("we", {3, 4}, shapes);
  Add("pos_emb_0", {2, 4}, shapes);
  Add("pos_emb_1", {2, 4}, shapes);
  Add("pos_emb_2", {3, 4}, shapes);
  Add("sos_token/sos", {1, 1, 4}, shapes);
  for (const char* layer : {"h0/", "h1/"}) {
    for (const char* norm : {"attn_input", "mlp"}) {
      Add(absl::StrCat(layer, norm, "/g"), {4}, shapes);
      Add(absl::StrCat(layer, norm, "/b"), {4}, shapes);
    }
    const std::map<std::string, std::vector<int64_t>> matrices = {
        {"q_proj", {4, 2}},    {"k_proj", {4, 2}},    {"v_proj", {4, 4}},
        {"post_proj", {4, 4}}, {"mlp_proj1", {4, 8}}, {"mlp_proj2", {8, 4}}};
    for (const auto& [name, shape] : matrices) {
      Add(absl::StrCat(layer, name, "/w"), shape, shapes);
      Add(absl::StrCat(layer, name, "/b"), {shape[1]}, shapes);
    }
  }
  Add("final_norm/g", {4}, shapes);
  Add("final_norm/b", {4}, shapes);
  Add("gen_logits/logits_proj", {4, 3}, shapes);
  return shapes;
}

DistaugLayout SmallDistaugLayout() {
  DistaugLayout layout;
  layout.n_head = 2;
  layout.schedule = {PatternKind::kStrided, PatternKind::kLocal};
  layout.stride = 6;
  return layout;
}

float DistaugValue(const std::string& name, int64_t index) {
  uint32_t sum = 0;
  for (const char c : name) sum = sum * 31 + static_cast<uint8_t>(c);
  return static_cast<float>(sum % 4096) + static_cast<float>(index) / 64;
}

std::string DistaugFile(const DistaugShapes& shapes) {
  std::vector<ZipEntry> entries;
  for (const auto& [name, shape] : shapes) {
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    std::vector<float> values;
    for (int64_t i = 0; i < elements; ++i) values.push_back(DistaugValue(name, i));
    entries.push_back({.name = absl::StrCat(name, ".npy"), .contents = NpyFloats(shape, values)});
  }
  return ZipFile(entries);
}

}  // namespace strided
