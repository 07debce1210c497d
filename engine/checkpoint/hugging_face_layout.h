// Where the tensors of a Hugging Face directory are that our model needs: names and shapes, as the
// transformers classes write them.

#ifndef STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_LAYOUT_H_
#define STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/checkpoint/hugging_face_config.h"
#include "engine/model/weights.h"

namespace strided {

// A part of a stored tensor.
struct TensorPlace {
  std::string name;            // without the family's prefix, e.g. "h.3.attn.c_attn.weight"
  std::vector<int64_t> shape;  // of the whole stored tensor
  int64_t first_row = 0;       // ours [out, in] is its outputs from here on
  bool by_columns = false;     // Conv1D: stored [in, out]
  bool required = true;        // false: absent means zero
};

// The place of the tensor `spec` of TensorCatalog(config.config).
TensorPlace PlaceOf(const TensorSpec& spec, const HuggingFaceConfig& config);

// What the family's names begin with where they were saved with their head, e.g. "transformer.".
absl::string_view PrefixOf(HuggingFaceFamily family);

// Whether `name` is a tensor that a model may hold beside its weights: masks of attention, and,
// with a tied head, its copy of the embedding.
bool IsSpare(absl::string_view name, const HuggingFaceConfig& config);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_LAYOUT_H_
