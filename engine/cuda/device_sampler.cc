#include "engine/cuda/device_sampler.h"

#include <cstddef>
#include <vector>

#include "engine/base/status_macros.h"
#include "engine/sampling/parameters.h"

namespace strided::cuda {
namespace {

// All but what lies in device memory.
DeviceSampler NumbersOf(const SequenceSpec& spec) {
  const SamplingParameters& parameters = spec.sampling;
  DeviceSampler device;
  device.seed = spec.seed;
  device.sample_index = spec.sample_index;
  device.inverse_temperature = InverseTemperature(parameters);
  device.top_p = parameters.top_p;
  device.min_p = parameters.min_p;
  device.typical_p = parameters.typical_p;
  device.repetition_penalty = parameters.repetition_penalty;
  device.presence_penalty = parameters.presence_penalty;
  device.frequency_penalty = parameters.frequency_penalty;
  device.top_k = parameters.top_k;
  device.prompt_length = spec.prompt_length;
  device.top_logprobs = spec.top_logprobs;
  device.bias_count = static_cast<int>(parameters.logit_bias.size());
  device.allowed_count = static_cast<int>(parameters.allowed_ids.size());
  device.penalises = Penalises(parameters) ? 1 : 0;
  return device;
}

}  // namespace

absl::StatusOr<SequenceSampler> SequenceSampler::Create(const SequenceSpec& spec, int vocab_size,
                                                        cudaStream_t stream) {
  const SamplingParameters& parameters = spec.sampling;
  std::vector<int32_t> ids;
  std::vector<float> bias_values;
  for (const auto& [id, bias] : parameters.logit_bias) {
    ids.push_back(id);
    bias_values.push_back(bias);
  }
  ids.insert(ids.end(), parameters.allowed_ids.begin(), parameters.allowed_ids.end());

  SequenceSampler sampler;
  ASSIGN_OR_RETURN(sampler.history_,
                   DeviceBuffer<int32_t>::Create(static_cast<size_t>(vocab_size)));
  ASSIGN_OR_RETURN(sampler.ids_, DeviceBuffer<int32_t>::Create(ids.size()));
  ASSIGN_OR_RETURN(sampler.bias_values_, DeviceBuffer<float>::Create(bias_values.size()));
  static_assert(kUnseenToken == -1, "all of its bytes are 0xFF");
  RETURN_IF_ERROR(sampler.history_.Fill(std::byte{0xFF}, stream));
  RETURN_IF_ERROR(sampler.ids_.CopyFrom(ids, stream));
  RETURN_IF_ERROR(sampler.bias_values_.CopyFrom(bias_values, stream));

  DeviceSampler& device = sampler.device_;
  device = NumbersOf(spec);
  device.history = sampler.history_.data();
  device.bias_values = sampler.bias_values_.data();
  if (device.bias_count > 0) device.bias_ids = sampler.ids_.data();
  if (device.allowed_count > 0) device.allowed_ids = sampler.ids_.data() + device.bias_count;
  return sampler;
}

}  // namespace strided::cuda
