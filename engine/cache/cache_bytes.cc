#include "engine/cache/cache_bytes.h"

#include "engine/cache/cache_layout.h"

namespace strided {
namespace {

int64_t BytesOfRows(const ModelConfig& config, int64_t rows, int element_bytes) {
  return rows * (config.d_key + config.d_value) * element_bytes;
}

}  // namespace

int CacheElementBytes(absl::string_view weight_format) {
  return weight_format == "float32" ? 4 : 2;
}

int64_t SequenceCacheBytes(const ModelConfig& config, int max_length, int element_bytes) {
  int64_t rows = 0;
  for (const auto& layer : config.attention) {
    for (const AttentionPattern& head : layer) rows += CacheLayout(head, max_length).rows();
  }
  return BytesOfRows(config, rows, element_bytes);
}

int64_t DenseCacheBytes(const ModelConfig& config, int max_length, int element_bytes) {
  const int64_t rows = int64_t{config.n_layer} * config.n_head * max_length;
  return BytesOfRows(config, rows, element_bytes);
}

}  // namespace strided
