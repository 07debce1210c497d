// How much memory a sequence's caches take.
//
// Keys and values are kept as float32 beside float32 weights, and as bfloat16 beside bfloat16 and
// int8 weights.

#ifndef STRIDED_ENGINE_CACHE_CACHE_BYTES_H_
#define STRIDED_ENGINE_CACHE_CACHE_BYTES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/model/config.h"

namespace strided {

// Bytes of one element of a key or a value, by ExecutorInfo::weight_format: 4 for "float32",
// else 2.
int CacheElementBytes(absl::string_view weight_format);

// The sum over layers and heads of rows * (d_key + d_value) * element_bytes, rows as in
// cache_layout.h for N = max_length. Requires max_length >= 1.
int64_t SequenceCacheBytes(const ModelConfig& config, int max_length, int element_bytes);

// The same if every head were dense: N rows each. What a server without sparse caches would take;
// GetModel shows both.
int64_t DenseCacheBytes(const ModelConfig& config, int max_length, int element_bytes);

}  // namespace strided

#endif  // STRIDED_ENGINE_CACHE_CACHE_BYTES_H_
