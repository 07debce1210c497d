// The attention patterns of a Hugging Face config.json, told as ours (engine/README.md,
// "attention").

#ifndef STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_ATTENTION_H_
#define STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_ATTENTION_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/checkpoint/hugging_face_fields.h"

namespace strided {

// Each gives config.json's "attention", a list of patterns that is cycled over the layers. Errors
// are InvalidArgument in the form of JsonError.

// One dense pattern: GPT-2, Image GPT.
nlohmann::ordered_json DenseAttention();

// GPT-Neo: a kind for each of `layers`, written as attention_layers or, shorter, attention_types;
// local ones read window_size keys.
absl::StatusOr<nlohmann::ordered_json> LocalAndGlobalAttention(HuggingFaceFields& fields,
                                                               int64_t layers);

// ruGPT3XL: DeepSpeed's FixedSparsityConfig, unidirectional, in blocks of sparse_block_size
// positions; in every layer, or in turn with dense ones. `positions`, the context's length, stands
// in the field `positions_name`; it must be a whole number of strides.
absl::StatusOr<nlohmann::ordered_json> FixedAndDenseAttention(HuggingFaceFields& fields,
                                                              absl::string_view positions_name,
                                                              int64_t positions);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_ATTENTION_H_
