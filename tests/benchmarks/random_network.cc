#include "tests/benchmarks/random_network.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>
#include <random>
#include <span>

#include "engine/cuda/kernels/weight_packing.h"
#include "tests/benchmarks/cuda_timer.h"

namespace strided::cuda {
namespace {

// Enough for the largest copy's piece; blocks repeat it.
constexpr size_t kPatternElements = size_t{1} << 20;

template <typename T>
std::vector<std::byte> SmallNumbers() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-0.06F, 0.06F);
  std::vector<T> values;
  for (size_t i = 0; i < kPatternElements; ++i) values.push_back(T(uniform(random)));
  const auto bytes = std::as_bytes(std::span<const T>(values));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> PatternOf(WeightFormat format) {
  if (format == WeightFormat::kFloat32) return SmallNumbers<float>();
  return format == WeightFormat::kFloat16 ? SmallNumbers<__half>() : SmallNumbers<__nv_bfloat16>();
}

}  // namespace

RandomNetwork::RandomNetwork(const ModelConfig& config, WeightFormat format)
    : format_(format), pattern_(PatternOf(format)) {
  const int width = config.n_head * (2 * config.d_key + config.d_value);
  view_.format = format;
  view_.tables.token_embedding =
      Floats(static_cast<size_t>(config.vocab_size) * static_cast<size_t>(config.d_model));
  view_.tables.axes = static_cast<int>(config.position_axes.size());
  view_.tables.position_rule = config.position_rule;
  for (size_t axis = 0; axis < config.position_axes.size(); ++axis) {
    const int size = config.position_axes[axis];
    view_.tables.position_axes[axis] = size;
    view_.tables.position_embedding[axis] =
        Floats(static_cast<size_t>(size) * static_cast<size_t>(config.d_model));
  }
  std::vector<HeadRows> head_rows;
  for (const auto& heads : config.attention) {
    for (const AttentionPattern& pattern : heads) head_rows.push_back(HeadRows::Of(pattern));
    DeviceLayer& layer = view_.layers.emplace_back();
    layer.attn_norm = Norm(config.d_model, config.norm_epsilon);
    layer.qkv = Matrix(width, config.d_model);
    layer.out = Matrix(config.d_model, config.n_head * config.d_value);
    layer.mlp_norm = Norm(config.d_model, config.norm_epsilon);
    layer.up = Matrix(config.d_ff, config.d_model);
    layer.down = Matrix(config.d_model, config.d_ff);
  }
  if (config.final_norm_epsilon.has_value()) {
    view_.final_norm = Norm(config.d_model, *config.final_norm_epsilon);
  }
  view_.head = Matrix(config.vocab_size, config.d_model);
  head_rows_ = Require(DeviceBuffer<HeadRows>::Create(head_rows.size()));
  Require(head_rows_.CopyFrom(std::span<const HeadRows>(head_rows), nullptr));
  view_.head_rows = head_rows_.data();
  Require(cudaDeviceSynchronize());
}

DeviceMatrix RandomNetwork::Matrix(int outputs, int inputs) {
  const auto bytes = static_cast<size_t>(PackedBytes(outputs, inputs, format_));
  blocks_.push_back(Require(DeviceBuffer<std::byte>::Create(bytes)));
  std::byte* const to = blocks_.back().data();
  for (size_t at = 0; at < bytes; at += pattern_.size()) {
    const size_t piece = std::min(pattern_.size(), bytes - at);
    Require(cudaMemcpy(to + at, pattern_.data(), piece, cudaMemcpyHostToDevice));
  }
  return {to, nullptr, Floats(static_cast<size_t>(outputs)), outputs, inputs};
}

DeviceNorm RandomNetwork::Norm(int width, double epsilon) {
  const auto count = static_cast<size_t>(width);
  const std::vector<float> ones(count, 1.0F);
  const float* const bias = Floats(count);
  blocks_.push_back(Require(DeviceBuffer<std::byte>::Create(count * sizeof(float))));
  std::byte* const weight = blocks_.back().data();
  Require(cudaMemcpy(weight, ones.data(), count * sizeof(float), cudaMemcpyHostToDevice));
  return {reinterpret_cast<const float*>(weight), bias, static_cast<float>(epsilon)};
}

const float* RandomNetwork::Floats(size_t count) {
  std::mt19937 random(static_cast<uint32_t>(blocks_.size()));
  std::uniform_real_distribution<float> uniform(-0.06F, 0.06F);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  blocks_.push_back(Require(DeviceBuffer<std::byte>::Create(count * sizeof(float))));
  std::byte* const to = blocks_.back().data();
  Require(cudaMemcpy(to, values.data(), count * sizeof(float), cudaMemcpyHostToDevice));
  return reinterpret_cast<const float*>(to);
}

RandomSequence::RandomSequence(const ModelConfig& config, int max_length, Operand operand) {
  std::vector<int64_t> offsets;
  int64_t bytes = 0;
  for (const auto& heads : config.attention) {
    for (const AttentionPattern& pattern : heads) {
      offsets.push_back(bytes);
      bytes += int64_t{HeadRows::Of(pattern).Rows(max_length)} * (config.d_key + config.d_value) *
               OperandBytes(operand);
    }
  }
  cache_ = Require(DeviceBuffer<std::byte>::Create(static_cast<size_t>(bytes)));
  Require(cache_.Fill(std::byte{0}, nullptr));
  offsets_ = Require(DeviceBuffer<int64_t>::Create(offsets.size()));
  Require(offsets_.CopyFrom(std::span<const int64_t>(offsets), nullptr));
  start_ = Require(DeviceBuffer<float>::Create(static_cast<size_t>(config.d_model)));
  Require(start_.Fill(std::byte{0}, nullptr));
  DeviceSequence sequence;
  sequence.cache = cache_.data();
  sequence.head_offsets = offsets_.data();
  sequence.start = start_.data();
  sequence.max_length = max_length;
  sequence_ = Require(DeviceBuffer<DeviceSequence>::Create(1));
  Require(sequence_.CopyFrom(std::span<const DeviceSequence>(&sequence, 1), nullptr));
  Require(cudaDeviceSynchronize());
}

}  // namespace strided::cuda
