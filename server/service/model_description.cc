#include "server/service/model_description.h"

#include <cstdint>

#include "server/scheduling/job.h"
#include "server/service/output_parser.h"
#include "server/service/sampling_parser.h"
#include "server/service/wire_time.h"

namespace strided {
namespace {

// What a request gets that names nothing. The length depends on the prompt and the seed on chance,
// so neither is part of it.
v1::SamplingParams DefaultSampling() {
  v1::SamplingParams sampling = ResolvedSampling({}, Job(), /*samples=*/1);
  sampling.clear_max_new_tokens();
  sampling.clear_seed();
  return sampling;
}

v1::Condition WireCondition(const Condition& condition) {
  v1::Condition wire;
  wire.set_name(condition.name);
  wire.set_values(static_cast<uint32_t>(condition.values));
  wire.mutable_labels()->Add(condition.labels.begin(), condition.labels.end());
  return wire;
}

// A Model with the fields of its configuration alone.
v1::Model DescribeArchitecture(const ModelConfig& config) {
  v1::Model wire;
  wire.set_modality(WireModality(config.modality));
  if (config.image.has_value()) *wire.mutable_image() = WireImage(*config.image);
  if (config.audio.has_value()) *wire.mutable_audio() = WireAudio(*config.audio, TokenFormat::kRaw);
  wire.set_context_length(static_cast<uint64_t>(config.context_length));
  wire.set_vocab_size(static_cast<uint32_t>(config.vocab_size));
  for (const Condition& condition : config.conditions) {
    *wire.add_conditions() = WireCondition(condition);
  }
  return wire;
}

// A Model with the fields of its executor alone.
v1::Model DescribeCost(const ServedModel& model) {
  const Executor& executor = model.executor();
  const int context = model.config().context_length;
  const int64_t bytes = executor.CacheBytes(context);
  v1::Model wire;
  wire.set_parameter_count(static_cast<uint64_t>(executor.info().parameter_count));
  wire.set_cache_bytes_per_sequence(static_cast<uint64_t>(bytes));
  wire.set_cache_bytes_per_token(static_cast<double>(bytes) / context);
  wire.set_dense_cache_bytes_per_sequence(static_cast<uint64_t>(model.dense_cache_bytes()));
  wire.set_device(model.device());
  wire.set_weight_format(executor.info().weight_format);
  return wire;
}

}  // namespace

v1::Modality WireModality(Modality modality) {
  switch (modality) {
    case Modality::kText:
      return v1::MODALITY_TEXT;
    case Modality::kImage:
      return v1::MODALITY_IMAGE;
    case Modality::kAudio:
      return v1::MODALITY_AUDIO;
  }
  return v1::MODALITY_UNSPECIFIED;
}

v1::ModelState WireState(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return v1::MODEL_STATE_LOADING;
    case ModelState::kWarming:
      return v1::MODEL_STATE_WARMING;
    case ModelState::kReady:
      return v1::MODEL_STATE_READY;
    case ModelState::kDraining:
      return v1::MODEL_STATE_DRAINING;
    case ModelState::kUnloaded:
      return v1::MODEL_STATE_UNLOADED;
    case ModelState::kFailed:
      return v1::MODEL_STATE_FAILED;
  }
  return v1::MODEL_STATE_UNSPECIFIED;
}

v1::ImageLayout WireImage(const ImageShape& shape) {
  v1::ImageLayout wire;
  wire.set_height(static_cast<uint32_t>(shape.height));
  wire.set_width(static_cast<uint32_t>(shape.width));
  wire.set_channels(static_cast<uint32_t>(shape.channels));
  return wire;
}

v1::AudioLayout WireAudio(const AudioFormat& audio, TokenFormat format) {
  v1::AudioLayout wire;
  wire.set_sample_rate_hz(static_cast<uint32_t>(audio.sample_rate_hz));
  wire.set_encoding(WireEncoding(audio.encoding, format));
  return wire;
}

v1::Model DescribeModel(const ModelEntry& entry) {
  v1::Model wire;
  wire.set_name(entry.name);
  wire.set_version(entry.version);
  wire.set_state(WireState(entry.state));
  wire.set_state_reason(entry.state_reason);
  if (entry.model == nullptr) return wire;
  wire.set_fingerprint(entry.model->fingerprint);
  *wire.mutable_load_time() = WireDuration(entry.model->load_time);
  *wire.mutable_loaded_at() = WireTimestamp(entry.model->loaded_at);
  *wire.mutable_default_sampling() = DefaultSampling();
  wire.MergeFrom(DescribeArchitecture(entry.model->config()));
  wire.set_has_tokenizer(entry.model->tokenizer.has_value());
  wire.MergeFrom(DescribeCost(*entry.model));
  return wire;
}

}  // namespace strided
