#include "engine/cuda/device_sampler.h"

#include <bit>
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

absl::StatusOr<SequenceSampler> SequenceSampler::Create(const SequenceSpec& spec,
                                                        cudaStream_t stream) {
  const SamplingParameters& parameters = spec.sampling;
  std::vector<int32_t> lists;
  for (const auto& [id, bias] : parameters.logit_bias) lists.push_back(id);
  lists.insert(lists.end(), parameters.allowed_ids.begin(), parameters.allowed_ids.end());
  const size_t ids = lists.size();
  for (const auto& [id, bias] : parameters.logit_bias) {
    lists.push_back(std::bit_cast<int32_t>(bias));
  }

  SequenceSampler sampler;
  ASSIGN_OR_RETURN(sampler.lists_, DeviceBuffer<int32_t>::Create(lists.size()));
  RETURN_IF_ERROR(sampler.lists_.CopyFrom(lists, stream));

  DeviceSampler& device = sampler.device_;
  device = NumbersOf(spec);
  const int32_t* const placed = sampler.lists_.data();
  if (device.bias_count > 0) {
    device.bias_ids = placed;
    device.bias_values = reinterpret_cast<const float*>(placed + ids);
  }
  if (device.allowed_count > 0) device.allowed_ids = placed + device.bias_count;
  return sampler;
}

}  // namespace strided::cuda
