#include "server/service/score_parser.h"

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "server/service/field_error.h"
#include "server/service/sequence_parser.h"

namespace strided {

absl::StatusOr<Job> ParseScore(const v1::ScoreRequest& request, const ServedModel& model,
                               const Arrival& arrival) {
  const ModelConfig& config = model.config();
  Job job;
  job.kind = JobKind::kScore;
  ASSIGN_OR_RETURN(job.request_id, ParseRequestId(request.request_id(), arrival.request_id));
  ASSIGN_OR_RETURN(job.prompt,
                   ParseSequence(request.sequence(), "sequence", config, TokenFormat::kRaw));
  if (job.prompt.empty()) {
    return FieldError("sequence", "has 0 tokens; at least 1 is scored");
  }
  const int tokens = static_cast<int>(job.prompt.size());
  RETURN_IF_ERROR(CheckFitsDevice("sequence", tokens, model));
  ASSIGN_OR_RETURN(job.condition_values, ParseConditions(request.conditions(), config));
  if (request.score_from() >= job.prompt.size()) {
    return FieldError("score_from",
                      absl::StrCat("is ", request.score_from(), "; it must lie in [0, ", tokens - 1,
                                   "], the positions of the sequence"));
  }
  job.score_from = static_cast<int>(request.score_from());
  job.top_logprobs = 0;  // the tokens' own are what is asked for
  if (request.has_top_logprobs()) {
    ASSIGN_OR_RETURN(job.top_logprobs,
                     ParseTopLogprobs("top_logprobs", request.top_logprobs(), config));
  }
  return job;
}

}  // namespace strided
