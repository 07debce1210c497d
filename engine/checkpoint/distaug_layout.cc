#include "engine/checkpoint/distaug_layout.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace strided {
namespace {

constexpr int kCifarStride = 96;  // one row of 32 pixels of 3 channels

// What the published runs differ in; the width of their values is d_model.
struct Run {
  absl::string_view name;
  int n_layer;
  int d_model;
  int d_ff;
  int n_head;
  int key_width;
  absl::string_view schedule;
};

constexpr Run kRuns[] = {
    {"c10-15m", 32, 256, 512, 2, 128, "strided,local,local,local"},
    {"c10-58m", 128, 256, 512, 2, 128, "strided,local,local,local"},
    {"c10-150m", 48, 512, 2048, 16, 512, "local,strided,local,local"},
};

DistaugPreset PresetOf(const Run& run) {
  DistaugPreset preset;
  preset.name = std::string(run.name);
  preset.layout.n_head = run.n_head;
  preset.layout.schedule = *ParseDistaugSchedule(run.schedule);
  preset.layout.stride = kCifarStride;
  preset.sizes.n_layer = run.n_layer;
  preset.sizes.d_model = preset.sizes.value_width = run.d_model;
  preset.sizes.d_ff = run.d_ff;
  preset.sizes.vocab_size = 256;
  preset.sizes.key_width = run.key_width;
  preset.sizes.position_axes = {32, 32, 3};
  return preset;
}

const std::vector<DistaugPreset>& Presets() {
  static const std::vector<DistaugPreset> kPresets = [] {
    std::vector<DistaugPreset> presets;
    for (const Run& run : kRuns) presets.push_back(PresetOf(run));
    return presets;
  }();
  return kPresets;
}

}  // namespace

std::span<const DistaugPreset> DistaugPresets() { return Presets(); }

absl::StatusOr<DistaugPreset> DistaugPresetFromName(absl::string_view name) {
  std::vector<std::string> names;
  for (const DistaugPreset& preset : Presets()) {
    if (preset.name == name) return preset;
    names.push_back(preset.name);
  }
  return absl::InvalidArgumentError(absl::StrCat("preset is \"", absl::CHexEscape(name),
                                                 "\"; expected ", absl::StrJoin(names, ", ")));
}

absl::StatusOr<std::vector<PatternKind>> ParseDistaugSchedule(absl::string_view text) {
  std::vector<PatternKind> schedule;
  for (const absl::string_view name : absl::StrSplit(text, ',')) {
    const absl::StatusOr<PatternKind> kind = PatternKindFromName(name);
    if (!kind.ok() || (*kind != PatternKind::kDense && *kind != PatternKind::kLocal &&
                       *kind != PatternKind::kStrided)) {
      return absl::InvalidArgumentError(absl::StrCat("schedule has \"", absl::CHexEscape(name),
                                                     "\"; expected dense, local or strided"));
    }
    schedule.push_back(*kind);
  }
  return schedule;
}

}  // namespace strided
