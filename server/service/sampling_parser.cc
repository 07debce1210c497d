#include "server/service/sampling_parser.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "server/service/field_error.h"
#include "server/service/limits.h"
#include "server/service/sequence_parser.h"

namespace strided {
namespace {

absl::StatusOr<std::vector<int32_t>> ParseAllowedIds(const v1::TokenIds& allowed,
                                                     const ModelConfig& config) {
  constexpr absl::string_view kField = "sampling.allowed_ids.ids";
  if (allowed.ids().empty()) {
    return FieldError(kField, "is empty; leave allowed_ids unset to allow every id");
  }
  const int limit = std::min(config.vocab_size, kMaxAllowedIds);
  if (allowed.ids_size() > limit) {
    return FieldError(kField,
                      absl::StrCat("has ", allowed.ids_size(), " entries; at most ", limit));
  }
  ASSIGN_OR_RETURN(std::vector<int32_t> ids, ParseIds(allowed.ids(), kField, config));
  std::sort(ids.begin(), ids.end());
  const auto repeated = std::adjacent_find(ids.begin(), ids.end());
  if (repeated != ids.end()) {
    return FieldError(kField, absl::StrCat("names id ", *repeated, " twice; each may stand once"));
  }
  return ids;
}

absl::StatusOr<std::map<int32_t, float>> ParseLogitBias(const v1::SamplingParams& sampling,
                                                        const ModelConfig& config) {
  constexpr absl::string_view kField = "sampling.logit_bias";
  if (sampling.logit_bias_size() > kMaxLogitBiases) {
    return FieldError(kField, absl::StrCat("has ", sampling.logit_bias_size(), " entries; at most ",
                                           kMaxLogitBiases));
  }
  std::map<int32_t, float> biases;
  for (const auto& [id, bias] : sampling.logit_bias()) {
    RETURN_IF_ERROR(CheckRange(absl::StrCat(kField, "[", id, "]"), id, 0, config.vocab_size - 1));
    biases[static_cast<int32_t>(id)] = bias;
  }
  return biases;
}

std::vector<int32_t> SymbolsOf(absl::string_view bytes) {
  std::vector<int32_t> symbols;
  for (const char c : bytes) symbols.push_back(static_cast<uint8_t>(c));
  return symbols;
}

absl::StatusOr<std::vector<std::vector<int32_t>>> ParseStopSequences(
    const v1::SamplingParams& sampling, const ServedModel& model) {
  constexpr absl::string_view kField = "sampling.stop_sequences";
  if (sampling.stop_sequences_size() > kMaxStopSequences) {
    return FieldError(kField, absl::StrCat("has ", sampling.stop_sequences_size(),
                                           " entries; at most ", kMaxStopSequences));
  }
  std::vector<std::vector<int32_t>> sequences;
  for (int i = 0; i < sampling.stop_sequences_size(); ++i) {
    const std::string path = absl::StrCat(kField, "[", i, "]");
    const std::string& bytes = sampling.stop_sequences(i);
    if (bytes.empty() || bytes.size() > kMaxStopSequenceBytes) {
      return FieldError(path, absl::StrCat("has ", bytes.size(), " bytes; it must have 1 to ",
                                           kMaxStopSequenceBytes));
    }
    if (model.tokenizer.has_value()) {
      sequences.push_back(SymbolsOf(bytes));
      continue;
    }
    ASSIGN_OR_RETURN(std::vector<int32_t> tokens, ParseBytes(bytes, path, model.config()));
    sequences.push_back(std::move(tokens));
  }
  return sequences;
}

absl::StatusOr<std::vector<int32_t>> ParseStopIds(const v1::SamplingParams& sampling,
                                                  const ModelConfig& config) {
  constexpr absl::string_view kField = "sampling.stop_ids";
  if (sampling.stop_ids_size() > kMaxStopIds) {
    return FieldError(
        kField, absl::StrCat("has ", sampling.stop_ids_size(), " entries; at most ", kMaxStopIds));
  }
  ASSIGN_OR_RETURN(std::vector<int32_t> ids, ParseIds(sampling.stop_ids(), kField, config));
  if (config.end_token.has_value()) ids.push_back(*config.end_token);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// Where every sequence of the model ends, and what is said of one that gets there.
struct SequenceEnd {
  int64_t length = 0;  // tokens, the prompt included
  FinishReason reason = FinishReason::kContextFull;
};

SequenceEnd EndOf(const ModelConfig& config) {
  if (!config.image.has_value()) return {config.context_length, FinishReason::kContextFull};
  const int64_t image_tokens =
      int64_t{config.image->height} * config.image->width * config.image->channels;
  if (image_tokens > config.context_length) {
    return {config.context_length, FinishReason::kContextFull};
  }
  return {image_tokens, FinishReason::kEndOfSequence};
}

struct NewTokens {
  int count = 0;
  FinishReason reason_at_count = FinishReason::kLength;
};

absl::StatusOr<NewTokens> ParseMaxNewTokens(const v1::SamplingParams& sampling,
                                            const ModelConfig& config, int prompt_tokens) {
  constexpr absl::string_view kField = "sampling.max_new_tokens";
  const SequenceEnd end = EndOf(config);
  if (sampling.has_max_new_tokens() && sampling.max_new_tokens() == 0) {
    return FieldError(kField, "is 0; at least 1 new token is made");
  }
  const bool open_ended = !sampling.has_max_new_tokens();
  if (open_ended && prompt_tokens >= end.length) {
    return ContextLengthError(
        "prompt",
        absl::StrCat("has ", prompt_tokens,
                     " tokens, which leaves no room for a new one; a sequence",
                     " of this model has at most ", end.length),
        {.limit = end.length, .given = prompt_tokens + int64_t{1}});
  }
  const int64_t wanted = open_ended ? end.length - prompt_tokens : sampling.max_new_tokens();
  const int64_t total = prompt_tokens + wanted;
  if (total > end.length) {
    return ContextLengthError(
        kField,
        absl::StrCat("asks for ", wanted, " tokens after a prompt of ", prompt_tokens,
                     ", together ", total, "; a sequence of this model has at most ", end.length),
        {.limit = end.length, .given = total});
  }
  const bool complete = total == end.length && end.reason == FinishReason::kEndOfSequence;
  return NewTokens{.count = static_cast<int>(wanted),
                   .reason_at_count = open_ended || complete ? end.reason : FinishReason::kLength};
}

}  // namespace

absl::StatusOr<SamplingParameters> ParseDistribution(const v1::SamplingParams& sampling,
                                                     const ModelConfig& config) {
  SamplingParameters parameters;
  if (sampling.has_temperature()) parameters.temperature = sampling.temperature();
  if (sampling.has_top_k()) {
    RETURN_IF_ERROR(CheckRange("sampling.top_k", sampling.top_k(), 0, config.vocab_size));
    parameters.top_k = static_cast<int>(sampling.top_k());
  }
  if (sampling.has_top_p()) parameters.top_p = sampling.top_p();
  if (sampling.has_min_p()) parameters.min_p = sampling.min_p();
  if (sampling.has_typical_p()) parameters.typical_p = sampling.typical_p();
  if (sampling.has_repetition_penalty()) {
    parameters.repetition_penalty = sampling.repetition_penalty();
  }
  if (sampling.has_presence_penalty()) parameters.presence_penalty = sampling.presence_penalty();
  if (sampling.has_frequency_penalty()) parameters.frequency_penalty = sampling.frequency_penalty();
  ASSIGN_OR_RETURN(parameters.logit_bias, ParseLogitBias(sampling, config));
  if (sampling.has_allowed_ids()) {
    ASSIGN_OR_RETURN(parameters.allowed_ids, ParseAllowedIds(sampling.allowed_ids(), config));
  }
  RETURN_IF_ERROR(ValidateSampling(parameters, config.vocab_size));
  return parameters;
}

absl::StatusOr<StopConditions> ParseStopConditions(const v1::SamplingParams& sampling,
                                                   const ServedModel& model, int prompt_tokens) {
  const ModelConfig& config = model.config();
  ASSIGN_OR_RETURN(const NewTokens new_tokens, ParseMaxNewTokens(sampling, config, prompt_tokens));
  StopConditions stop;
  stop.max_new_tokens = new_tokens.count;
  stop.full_length_reason = new_tokens.reason_at_count;
  RETURN_IF_ERROR(CheckRange("sampling.min_new_tokens", sampling.min_new_tokens(), 0,
                             new_tokens.count, "(the new tokens of this request)"));
  stop.min_new_tokens = static_cast<int>(sampling.min_new_tokens());
  ASSIGN_OR_RETURN(stop.sequences, ParseStopSequences(sampling, model));
  ASSIGN_OR_RETURN(stop.ids, ParseStopIds(sampling, config));
  stop.end_id = config.end_token;
  if (model.tokenizer.has_value()) {
    stop.text_of = [&tokenizer = *model.tokenizer](int32_t token) {
      return tokenizer.TextOf(token);
    };
  }
  stop.include_stop = sampling.include_stop();
  return stop;
}

absl::StatusOr<int> ParseSamples(const v1::SamplingParams& sampling) {
  if (!sampling.has_samples()) return 1;
  RETURN_IF_ERROR(CheckRange("sampling.samples", sampling.samples(), 1, kMaxSamples));
  return static_cast<int>(sampling.samples());
}

v1::SamplingParams ResolvedSampling(const v1::SamplingParams& sampling, const Job& job,
                                    int samples) {
  v1::SamplingParams resolved = sampling;  // keeps stops, biases and the allowed set
  resolved.set_max_new_tokens(static_cast<uint32_t>(job.stop.max_new_tokens));
  resolved.set_temperature(static_cast<float>(job.sampling.temperature));
  resolved.set_top_k(static_cast<uint32_t>(job.sampling.top_k));
  resolved.set_top_p(static_cast<float>(job.sampling.top_p));
  resolved.set_min_p(static_cast<float>(job.sampling.min_p));
  resolved.set_typical_p(static_cast<float>(job.sampling.typical_p));
  resolved.set_repetition_penalty(static_cast<float>(job.sampling.repetition_penalty));
  resolved.set_presence_penalty(static_cast<float>(job.sampling.presence_penalty));
  resolved.set_frequency_penalty(static_cast<float>(job.sampling.frequency_penalty));
  resolved.set_seed(job.seed);
  resolved.set_samples(static_cast<uint32_t>(samples));
  resolved.set_include_stop(job.stop.include_stop);
  resolved.set_min_new_tokens(static_cast<uint32_t>(job.stop.min_new_tokens));
  return resolved;
}

}  // namespace strided
