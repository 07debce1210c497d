// What the hyperparameters of a distribution-augmentation run say, and its tensors do not.
//
// Jun et al. 2020, "Distribution Augmentation for Generative Modeling"; hyperparams.py of
// github.com/openai/distribution_augmentation. Its attention_layers are lists of `a` (dense),
// `b` (local) and `bT` (strided) with one local_attn_ctx, our l, for both.

#ifndef STRIDED_ENGINE_CHECKPOINT_DISTAUG_LAYOUT_H_
#define STRIDED_ENGINE_CHECKPOINT_DISTAUG_LAYOUT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/attention_pattern.h"

namespace strided {

// How a run attends.
struct DistaugLayout {
  int n_head = 0;                     // of each layer
  std::vector<PatternKind> schedule;  // cycled over the layers: dense, local, strided
  int stride = 0;                     // l, tokens: the strided layers' stride, the local's window
};

// What a run's tensors show.
struct DistaugSizes {
  int64_t n_layer = 0;
  int64_t d_model = 0;
  int64_t d_ff = 0;
  int64_t vocab_size = 0;
  int64_t key_width = 0;               // n_head * d_key
  int64_t value_width = 0;             // n_head * d_value
  std::vector<int64_t> position_axes;  // rows, columns, channels
};

// A published run.
struct DistaugPreset {
  std::string name;  // the start of its files' names, e.g. "c10-15m"
  DistaugLayout layout;
  DistaugSizes sizes;
};

// c10-15m, c10-58m, c10-150m.
std::span<const DistaugPreset> DistaugPresets();

// InvalidArgument with the list of names where `name` is none of them.
absl::StatusOr<DistaugPreset> DistaugPresetFromName(absl::string_view name);

// From "strided,local,local,local". InvalidArgument, with the entry, for an empty list or a pattern
// that is not dense, local or strided.
absl::StatusOr<std::vector<PatternKind>> ParseDistaugSchedule(absl::string_view text);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_DISTAUG_LAYOUT_H_
