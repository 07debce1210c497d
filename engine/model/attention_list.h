// The `attention` field of config.json: a list of patterns, cycled over the layers.

#ifndef STRIDED_ENGINE_MODEL_ATTENTION_LIST_H_
#define STRIDED_ENGINE_MODEL_ATTENTION_LIST_H_

#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/attention_pattern.h"
#include "engine/model/json_object.h"

namespace strided {

// [n_layer][n_head], written out. Layer i takes entry i mod the list's length; an entry is a
// pattern for all heads, {"pattern": "fixed", "stride": 128, "cells": 32, "spread": 4}, or
// {"heads": [...]} with one pattern for each. InvalidArgument with the path of what is wrong, e.g.
// "attention[1].heads[3].stride"; an entry that no layer would use is wrong, too.
absl::StatusOr<std::vector<std::vector<AttentionPattern>>> ParseAttention(JsonObject& config,
                                                                          int n_layer, int n_head);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_ATTENTION_LIST_H_
