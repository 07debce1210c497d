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

}  // namespace

Attention::Attention(const ModelConfig& config, const Kernels& kernels, ProductForm form)
    : config_(config),
      kernels_(kernels),
      float32_cache_(form == ProductForm::kFloat32),
      attend_(float32_cache_ ? kernels.attend_float32 : kernels.attend_bfloat16),
      head_width_(HeadWidth(config)),
      scale_(ScaleOf(config)) {
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
  for (Lookup& lookup : lookups_) {
    lookup.space.resize(static_cast<size_t>(keys));
  }
}

void Attention::Run(const Batch& batch, const Division& part, int layer, const ActivationRows& qkv,
                    const ActivationRows& mixed) {
  qkv_ = qkv;
  mixed_ = mixed;
  Lookup* current = &lookups_[0];
  Lookup* next = &lookups_[1];
  Unit pending;  // looked up in `current`
  for (int head = part.heads.begin; head < part.heads.end; ++head) {
    for (const SequenceRun& run : batch.runs) {
      if (!part.attended_rows.Holds(run.first_row)) continue;
      const int position = batch.rows[static_cast<size_t>(run.first_row)].position;
      Look(*run.cache, run.cache->head(layer, head), position, *next);
      if (pending.run != nullptr) RunUnit(batch, pending, *current, next);
      pending = {&run, head};
      std::swap(current, next);
    }
  }
  if (pending.run != nullptr) RunUnit(batch, pending, *current, nullptr);
}

void Attention::Look(const SequenceCache& cache, const SequenceCache::Head& head, int position,
                     Lookup& lookup) {
  lookup.head = head;
  lookup.longest = CacheStrip();
  int32_t* end = lookup.space.data();
  for (const CacheStrip& strip : cache.layout(head).StripsOf(position, strips_)) {
    for (int row = strip.first; row < strip.first + strip.count; ++row) *end++ = row;
    if (strip.count > lookup.longest.count) lookup.longest = strip;
  }
  lookup.rows = {lookup.space.data(), end};
}

FetchedRows Attention::Stretch(const std::byte* rows, const CacheStrip& strip, int width) const {
  const auto row_bytes = static_cast<size_t>(width) * (float32_cache_ ? 4 : 2);
  return {rows + static_cast<size_t>(strip.first) * row_bytes,
          static_cast<size_t>(strip.count) * row_bytes};
}

// Rows in the order of positions, each with its own key and value written first: a ring may forget
// what the row before still read.
void Attention::RunUnit(const Batch& batch, const Unit& unit, Lookup& current, const Lookup* next) {
  SequenceCache& cache = *unit.run->cache;
  const SequenceCache::Head head = current.head;
  AttendTask task;
  task.scale = scale_;
  task.keys = head.keys;
  task.values = head.values;
  task.d_key = config_.d_key;
  task.d_value = config_.d_value;
  task.scratch = scratch_.data();
  const int end = unit.run->first_row + unit.run->rows;
  for (int row = unit.run->first_row; row < end; ++row) {
    const int position = batch.rows[static_cast<size_t>(row)].position;
    if (row > unit.run->first_row) Look(cache, head, position, current);
    const float* const qkv = qkv_.row(row) + unit.head * head_width_;
    Keep(qkv + config_.d_key, cache.layout(head).HomesOf(position), head);
    task.query = qkv;
    task.rows = current.rows;
    task.out = mixed_.row(row) + unit.head * config_.d_value;
    if (row + 1 == end && next != nullptr) {
      task.next_keys = Stretch(next->head.keys, next->longest, config_.d_key);
      task.next_values = Stretch(next->head.values, next->longest, config_.d_value);
    }
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
