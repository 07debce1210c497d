#include "engine/cpu/attention.h"

#include <algorithm>
#include <cmath>

#include "engine/cpu/network.h"

namespace strided {
namespace {

float ScaleOf(const ModelConfig& config) {
  if (config.attention_scale == AttentionScale::kNone) return 1;
  return static_cast<float>(1 / std::sqrt(static_cast<double>(config.d_key)));
}

// What products fetch of the attention that follows: more than a core's second cache, for the last
// cache keeps what that pushes out, but no more than a core's share of the last one.
constexpr size_t kMostBytesAhead = size_t{4} << 20;

}  // namespace

Attention::Attention(const ModelConfig& config, const Kernels& kernels, ProductForm form,
                     int max_rows)
    : config_(config),
      kernels_(kernels),
      float32_cache_(form == ProductForm::kFloat32),
      attend_(float32_cache_ ? kernels.attend_float32 : kernels.attend_bfloat16),
      head_width_(HeadWidth(config)),
      element_bytes_(float32_cache_ ? 4 : 2),
      scale_(ScaleOf(config)),
      ahead_(2 * static_cast<size_t>(config.n_head) * static_cast<size_t>(max_rows)) {
  int strips = 0;
  int keys = 0;
  for (const auto& layer : config.attention) {
    for (const AttentionPattern& head : layer) {
      const CacheLayout longest(head, config.context_length);
      strips = std::max(strips, longest.max_strips());
      keys = std::max(keys, longest.max_keys());
    }
  }
  scratch_ = AlignedArray<float>::Zeros(AttendScratch(keys, config.d_key));
  strips_.resize(static_cast<size_t>(strips));
  rows_.resize(static_cast<size_t>(keys));
}

template <class Body>
void Attention::ForEachUnit(const Batch& batch, const Division& part, const Body& body) {
  for (int head = part.heads.begin; head < part.heads.end; ++head) {
    for (const SequenceRun& run : batch.runs) {
      if (part.attended_rows.Holds(run.first_row)) body(Unit{&run, head});
    }
  }
}

FetchList& Attention::Ahead(const Batch& batch, const Division& part, int layer) {
  ahead_.Clear();
  const bool single = batch.runs.size() == 1 && part.heads.size() == 1;
  if (layer == config_.n_layer || single) return ahead_;  // one unit, and nobody before it
  ForEachUnit(batch, part, [&](const Unit& unit) { ListUnit(batch, layer, unit); });
  ahead_.Limit(kMostBytesAhead);
  return ahead_;
}

// The longest strip: where there are others, they are single rows or short.
void Attention::ListUnit(const Batch& batch, int layer, const Unit& unit) {
  const SequenceCache& cache = *unit.run->cache;
  const SequenceCache::Head& head = cache.head(layer, unit.head);
  const int position = batch.rows[static_cast<size_t>(unit.run->first_row)].position;
  CacheStrip longest;
  for (const CacheStrip& strip : cache.layout(head).StripsOf(position, strips_)) {
    if (strip.count > longest.count) longest = strip;
  }
  const auto add = [&](const std::byte* rows, int width) {
    const size_t row_bytes = static_cast<size_t>(width) * element_bytes_;
    ahead_.Add({rows + static_cast<size_t>(longest.first) * row_bytes,
                static_cast<size_t>(longest.count) * row_bytes});
  };
  add(head.keys, config_.d_key);
  add(head.values, config_.d_value);
}

void Attention::Run(const Batch& batch, const Division& part, int layer, const ActivationRows& qkv,
                    const ActivationRows& mixed) {
  qkv_ = qkv;
  mixed_ = mixed;
  ahead_.Unlimit();
  size_t listed = 0;  // stretches of the units so far
  ForEachUnit(batch, part, [&](const Unit& unit) {
    listed += 2;
    // Again where products have fetched it: what the last cache holds of it comes nearer.
    ahead_.GoTo(listed);
    RunUnit(batch, layer, unit);
  });
}

std::span<const int32_t> Attention::RowsOf(const CacheLayout& layout, int position) {
  int32_t* end = rows_.data();
  for (const CacheStrip& strip : layout.StripsOf(position, strips_)) {
    for (int row = strip.first; row < strip.first + strip.count; ++row) *end++ = row;
  }
  return {rows_.data(), end};
}

// Rows in the order of positions, each with its own key and value written first: a ring may forget
// what the row before still read.
void Attention::RunUnit(const Batch& batch, int layer, const Unit& unit) {
  SequenceCache& cache = *unit.run->cache;
  const SequenceCache::Head& head = cache.head(layer, unit.head);
  const CacheLayout& layout = cache.layout(head);
  AttendTask task;
  task.scale = scale_;
  task.keys = head.keys;
  task.values = head.values;
  task.d_key = config_.d_key;
  task.d_value = config_.d_value;
  task.scratch = scratch_.data();
  task.aside = &ahead_;
  const auto index = static_cast<size_t>(unit.head);
  const size_t first_input = index * static_cast<size_t>(head_width_);
  const size_t first_output = index * static_cast<size_t>(config_.d_value);
  for (int row = unit.run->first_row; row < unit.run->first_row + unit.run->rows; ++row) {
    const int position = batch.rows[static_cast<size_t>(row)].position;
    const float* const qkv = qkv_.row(row) + first_input;
    Keep(qkv + config_.d_key, layout.HomesOf(position), head);
    task.query = qkv;
    task.rows = RowsOf(layout, position);
    task.out = mixed_.row(row) + first_output;
    attend_(task);
    cache.PoisonAfter(head, position);
  }
}

void Attention::Keep(const float* key_and_value, const CacheHomes& homes,
                     const SequenceCache::Head& head) const {
  for (const CacheHome& home : homes) {
    KeepRow(key_and_value, config_.d_key, home.row, head.keys);
    KeepRow(key_and_value + config_.d_key, config_.d_value, home.row, head.values);
  }
}

void Attention::KeepRow(const float* values, int width, int row, std::byte* rows) const {
  const auto first = static_cast<size_t>(row) * static_cast<size_t>(width);
  if (float32_cache_) {
    std::copy_n(values, width, reinterpret_cast<float*>(rows) + first);
  } else {
    kernels_.to_bfloat16(values, width, reinterpret_cast<uint16_t*>(rows) + first);
  }
}

}  // namespace strided
