// The names that distribution-augmentation runs give to their tensors, and ours for the same.
//
// numpy.savez writes every TensorFlow variable of a run under its name: "model/h3/q_proj/w:0", its
// moving average "model/h3/q_proj/w/Ema/ema:0", the optimizer's "model/h3/q_proj/w/Adam:0", and
// counters outside "model/". Names here are without ":0".

#ifndef STRIDED_ENGINE_CHECKPOINT_DISTAUG_NAMES_H_
#define STRIDED_ENGINE_CHECKPOINT_DISTAUG_NAMES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/model/weights.h"

namespace strided {

// A table whose rows are start vectors, one per value of what a run is conditioned on. The start
// vector of a sequence is the sum over the tables; row 0 is the unchanged image.
struct DistaugCondition {
  absl::string_view table;      // under "model/sos_token/", e.g. "sos_rot"
  absl::string_view condition;  // its name in config.json, e.g. "rotation"
};

// In the order in which a run adds them up.
std::span<const DistaugCondition> DistaugConditions();

// `name` without ":0", with one "/" wherever there are several.
std::string NormalisedDistaugName(absl::string_view name);

// How a tensor of our catalog lies in a run's file.
struct DistaugTensor {
  std::string name;            // e.g. "model/h3/q_proj/w"
  std::vector<int64_t> shape;  // e.g. [in, out]
  bool transposed = false;     // our [out, in] is its [in, out]
};

// Of `spec` of TensorCatalog, for a model without head.bias and with conditions as above.
DistaugTensor DistaugTensorOf(const TensorSpec& spec);

// The name of the moving average of the tensor `name`.
std::string AverageOf(absl::string_view name);

// The tensor that `name` belongs to, where it is that of a moving average or of an optimizer's
// slot; else `name` itself.
absl::string_view DistaugTensorBehind(absl::string_view name);

// 3 for "model/h3/..."; none where `name` is not within a layer.
std::optional<int64_t> DistaugLayerOf(absl::string_view name);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_DISTAUG_NAMES_H_
