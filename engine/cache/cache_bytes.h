// How much memory a sequence's caches take.
//
// Keys and values are kept as ExecutorInfo::cache_format says. A head's cache is its rows' keys
// [rows][d_key], then their values [rows][d_value], then, where an element takes one byte, their
// scales [rows][of the key, of the value] in float32: x = scale * element.

#ifndef STRIDED_ENGINE_CACHE_CACHE_BYTES_H_
#define STRIDED_ENGINE_CACHE_CACHE_BYTES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/model/config.h"

namespace strided {

// Bytes of one element of a key or a value, by ExecutorInfo::cache_format: 4 for "float32", 1 for
// "int8", else 2.
int CacheElementBytes(absl::string_view cache_format);

// Bytes of one row: a key and a value, with their scales where an element takes one byte.
int CacheRowBytes(int d_key, int d_value, int element_bytes);

// Bytes of a head's cache of `rows` rows: theirs, rounded up to whole lines of 128 bytes where an
// element takes one byte, so that the next head's keys do not begin within a vector.
int64_t HeadCacheBytes(int64_t rows, int d_key, int d_value, int element_bytes);

// The sum of HeadCacheBytes over layers and heads, rows as in cache_layout.h for N = max_length.
// Requires max_length >= 1.
int64_t SequenceCacheBytes(const ModelConfig& config, int max_length, int element_bytes);

// The same if every head were dense: N rows each. What a server without sparse caches would take;
// GetModel shows both.
int64_t DenseCacheBytes(const ModelConfig& config, int max_length, int element_bytes);

}  // namespace strided

#endif  // STRIDED_ENGINE_CACHE_CACHE_BYTES_H_
