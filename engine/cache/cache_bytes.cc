#include "engine/cache/cache_bytes.h"

#include "engine/cache/cache_layout.h"

namespace strided {

int CacheElementBytes(absl::string_view cache_format) {
  if (cache_format == "float32") return 4;
  return cache_format == "int8" ? 1 : 2;
}

int CacheRowBytes(int d_key, int d_value, int element_bytes) {
  constexpr int kScaleBytes = 2 * sizeof(float);
  return (d_key + d_value) * element_bytes + (element_bytes == 1 ? kScaleBytes : 0);
}

int64_t HeadCacheBytes(int64_t rows, int d_key, int d_value, int element_bytes) {
  const int64_t bytes = rows * CacheRowBytes(d_key, d_value, element_bytes);
  constexpr int64_t kLine = 128;
  return element_bytes == 1 ? (bytes + kLine - 1) / kLine * kLine : bytes;
}

int64_t SequenceCacheBytes(const ModelConfig& config, int max_length, int element_bytes) {
  int64_t bytes = 0;
  for (const auto& layer : config.attention) {
    for (const AttentionPattern& head : layer) {
      const int64_t rows = CacheLayout(head, max_length).rows();
      bytes += HeadCacheBytes(rows, config.d_key, config.d_value, element_bytes);
    }
  }
  return bytes;
}

int64_t DenseCacheBytes(const ModelConfig& config, int max_length, int element_bytes) {
  const int64_t heads = int64_t{config.n_layer} * config.n_head;
  return heads * HeadCacheBytes(max_length, config.d_key, config.d_value, element_bytes);
}

}  // namespace strided
