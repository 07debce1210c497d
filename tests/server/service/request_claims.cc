#include "tests/server/service/request_claims.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "server/service/generate_parser.h"
#include "server/service/score_parser.h"
#include "server/service/status_mapping.h"
#include "tests/server/service/fake_model.h"

namespace strided {
namespace {

// More than gRPC's limit of 8 KiB on trailers leaves after base64.
constexpr size_t kMaxDetailBytes = 5'000;

std::vector<FakeModel> MakeModels() {
  ModelConfig tokens = TextConfig();
  tokens.vocab_size = 50'257;
  std::vector<FakeModel> models;
  for (const ModelConfig& config : {TextConfig(), ImageConfig(), AudioConfig(), tokens}) {
    models.push_back(MakeFakeModel(config));
  }
  return models;
}

const std::vector<FakeModel>& Models() {
  static const std::vector<FakeModel> kModels = MakeModels();
  return kModels;
}

std::string BrokenByError(const absl::Status& error) {
  if (error.code() != absl::StatusCode::kInvalidArgument &&
      error.code() != absl::StatusCode::kFailedPrecondition) {
    return absl::StrCat("an error has the code ", absl::StatusCodeToString(error.code()));
  }
  if (!FieldOf(error).has_value()) return "an error names no field";
  if (ToGrpcStatus(error).error_details().size() > kMaxDetailBytes) return "an error is too long";
  return "";
}

bool AreTokens(const std::vector<int32_t>& tokens, const ModelConfig& config) {
  return std::all_of(tokens.begin(), tokens.end(),
                     [&config](int32_t token) { return token >= 0 && token < config.vocab_size; });
}

std::string BrokenByJob(const Job& job, const ModelConfig& config) {
  const size_t length = job.prompt.size() + static_cast<size_t>(job.stop.max_new_tokens);
  if (length < 1 || length > static_cast<size_t>(config.context_length)) return "the length fits";
  if (!AreTokens(job.prompt, config)) return "the prompt is of tokens";
  if (!AreTokens(job.resumed, config)) return "what is resumed is of tokens";
  if (job.resumed.size() > static_cast<size_t>(job.stop.max_new_tokens)) return "a resume fits";
  if (!ValidateSampling(job.sampling, config.vocab_size).ok()) return "the sampling is valid";
  if (job.samples < 1 || job.samples > 64) return "the samples are few";
  for (const std::vector<int32_t>& stop : job.stop.sequences) {
    if (stop.empty() || !AreTokens(stop, config)) return "a stop sequence is of tokens";
  }
  if (!std::is_sorted(job.stop.ids.begin(), job.stop.ids.end())) return "stop ids ascend";
  for (size_t i = 0; i < config.conditions.size(); ++i) {
    if (job.condition_values.at(i) >= config.conditions[i].values) return "conditions are rows";
  }
  return "";
}

std::string InModel(const std::string& broken, const ModelConfig& config) {
  return broken.empty() ? "" : absl::StrCat(broken, " (", ModalityName(config.modality), ")");
}

}  // namespace

std::string BrokenClaim(const v1::GenerateRequest& request) {
  for (const FakeModel& model : Models()) {
    const absl::StatusOr<GenerateCall> call = ParseGenerate(request, *model.served, {});
    const std::string broken =
        call.ok() ? BrokenByJob(call->job, model.served->config()) : BrokenByError(call.status());
    if (!broken.empty()) return InModel(broken, model.served->config());
  }
  return "";
}

std::string BrokenClaim(const v1::ScoreRequest& request) {
  for (const FakeModel& model : Models()) {
    const absl::StatusOr<ScoreCall> call = ParseScore(request, *model.served, {});
    std::string broken =
        call.ok() ? BrokenByJob(call->job, model.served->config()) : BrokenByError(call.status());
    if (call.ok() && call->job.score_from >= static_cast<int>(call->job.prompt.size())) {
      broken = "something is scored";
    }
    if (!broken.empty()) return InModel(broken, model.served->config());
  }
  return "";
}

}  // namespace strided
