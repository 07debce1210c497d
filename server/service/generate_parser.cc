#include "server/service/generate_parser.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "engine/base/quoted.h"
#include "engine/base/status_macros.h"
#include "server/service/field_error.h"
#include "server/service/limits.h"
#include "server/service/model_description.h"
#include "server/service/sampling_parser.h"
#include "server/service/sequence_parser.h"

namespace strided {
namespace {

absl::StatusOr<absl::Time> ParseTimeLimit(const v1::GenerateRequest& request, absl::Time arrival) {
  if (!request.has_time_limit()) return absl::InfiniteFuture();
  ASSIGN_OR_RETURN(const absl::Duration limit, ParseDuration("time_limit", request.time_limit()));
  if (limit <= absl::ZeroDuration()) {
    return FieldError("time_limit", absl::StrCat("is ", absl::FormatDuration(limit),
                                                 "; it must be greater than 0"));
  }
  return arrival + limit;
}

absl::Status CheckFingerprint(const std::string& given, const ServedModel& model) {
  constexpr absl::string_view kField = "resume.model_fingerprint";
  constexpr size_t kMaxGivenBytes = 64;  // shown to programs
  if (given.empty()) return FieldError(kField, "is empty; it must be the one of Started");
  if (given == model.fingerprint) return absl::OkStatus();
  return WithReason(WithField(absl::FailedPreconditionError(absl::StrCat(
                                  kField, " is ", Quoted(given), "; this model has ",
                                  Quoted(model.fingerprint), " and would go on differently")),
                              kField),
                    {.reason = "FINGERPRINT_MISMATCH",
                     .metadata = {{"given", absl::CHexEscape(given.substr(0, kMaxGivenBytes))},
                                  {"serving", model.fingerprint}}});
}

// The tokens that the client already has, in the encoding of the stream that broke.
absl::StatusOr<std::vector<int32_t>> ParseResumed(const v1::GenerateRequest& request,
                                                  const ServedModel& model,
                                                  const GenerateCall& call) {
  RETURN_IF_ERROR(CheckFingerprint(request.resume().model_fingerprint(), model));
  if (!request.sampling().has_seed()) {
    return FieldError("sampling.seed", "is unset; a resume needs the seed of Started");
  }
  RETURN_IF_ERROR(
      CheckRange("resume.sample_index", request.resume().sample_index(), 0, call.samples - 1));
  // Text does not say into which tokens it was cut.
  const bool is_text = call.output.format == TokenFormat::kText;
  ASSIGN_OR_RETURN(std::vector<int32_t> generated,
                   ParseSequence(request.resume().generated(), "resume.generated", model,
                                 is_text ? TokenFormat::kIds : call.output.format));
  const auto limit = static_cast<size_t>(call.job.stop.max_new_tokens);
  if (generated.size() > limit) {
    return FieldError(
        "resume.generated",
        absl::StrCat("has ", generated.size(), " tokens; the request makes at most ", limit));
  }
  return generated;
}

}  // namespace

absl::StatusOr<GenerateCall> ParseGenerate(const v1::GenerateRequest& request,
                                           const ServedModel& model, const Arrival& arrival) {
  const ModelConfig& config = model.config();
  const v1::SamplingParams& sampling = request.sampling();
  GenerateCall call;
  Job& job = call.job;
  job.kind = JobKind::kGenerate;
  ASSIGN_OR_RETURN(job.request_id, ParseRequestId(request.request_id(), arrival.request_id));
  ASSIGN_OR_RETURN(job.prompt, ParseSequence(request.prompt(), "prompt", model, OwnFormat(model)));
  const int prompt_tokens = static_cast<int>(job.prompt.size());
  ASSIGN_OR_RETURN(call.start, TakeStart("prompt", config, job.prompt));
  job.first_input = call.start.first_input;
  ASSIGN_OR_RETURN(job.condition_values, ParseConditions(request.conditions(), config));
  ASSIGN_OR_RETURN(job.sampling, ParseDistribution(sampling, config));
  ASSIGN_OR_RETURN(job.stop, ParseStopConditions(sampling, model, prompt_tokens));
  RETURN_IF_ERROR(
      CheckFitsDevice("sampling.max_new_tokens", prompt_tokens + job.stop.max_new_tokens, model));
  job.seed = sampling.has_seed() ? sampling.seed() : arrival.seed;
  ASSIGN_OR_RETURN(call.samples, ParseSamples(sampling));
  job.samples = call.samples;
  ASSIGN_OR_RETURN(call.output, ParseOutput(request.output(), model));
  job.top_logprobs = call.output.top_logprobs;
  job.echo_prompt = call.output.echo_prompt;
  RETURN_IF_ERROR(CheckRange("priority", request.priority(), -kMaxPriority, kMaxPriority));
  job.priority = request.priority();
  ASSIGN_OR_RETURN(job.time_limit, ParseTimeLimit(request, arrival.time));
  if (request.has_resume()) {
    ASSIGN_OR_RETURN(job.resumed, ParseResumed(request, model, call));
    job.samples = 1;
    job.first_sample_index = request.resume().sample_index();
    // Who has generated tokens has the prompt's echo too.
    job.echo_prompt = job.echo_prompt && job.resumed.empty();
  }
  return call;
}

v1::Started MakeStarted(const v1::GenerateRequest& request, const ServedModel& model,
                        const GenerateCall& call) {
  const ModelConfig& config = model.config();
  v1::Started started;
  started.set_request_id(call.job.request_id);
  started.set_model(model.name);
  started.set_model_version(model.version);
  started.set_model_fingerprint(model.fingerprint);
  started.set_modality(WireModality(config.modality));
  *started.mutable_resolved() = ResolvedSampling(request.sampling(), call.job, call.samples);
  started.set_prompt_tokens(call.job.prompt.size() + static_cast<size_t>(call.start.given));
  if (config.image.has_value()) *started.mutable_image() = WireImage(*config.image);
  if (config.audio.has_value()) {
    *started.mutable_audio() = WireAudio(*config.audio, call.output.format);
  }
  return started;
}

}  // namespace strided
