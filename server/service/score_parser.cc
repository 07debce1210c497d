#include "server/service/score_parser.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "server/service/field_error.h"
#include "server/service/sequence_parser.h"

namespace strided {

absl::StatusOr<ScoreCall> ParseScore(const v1::ScoreRequest& request, const ServedModel& model,
                                     const Arrival& arrival) {
  const ModelConfig& config = model.config();
  ScoreCall call;
  Job& job = call.job;
  job.kind = JobKind::kScore;
  ASSIGN_OR_RETURN(job.request_id, ParseRequestId(request.request_id(), arrival.request_id));
  ASSIGN_OR_RETURN(job.prompt,
                   ParseSequence(request.sequence(), "sequence", model, OwnFormat(model)));
  const int tokens = static_cast<int>(job.prompt.size());
  if (tokens == 0) return FieldError("sequence", "has 0 tokens; at least 1 is scored");
  ASSIGN_OR_RETURN(call.start, TakeStart("sequence", config, job.prompt));
  job.first_input = call.start.first_input;
  if (job.prompt.empty()) {
    return FieldError("sequence",
                      "has 1 token; this model scores what follows the first, at least 1 more");
  }
  RETURN_IF_ERROR(CheckFitsDevice("sequence", tokens, model));
  ASSIGN_OR_RETURN(job.condition_values, ParseConditions(request.conditions(), config));
  if (request.score_from() >= static_cast<uint64_t>(tokens)) {
    return FieldError("score_from",
                      absl::StrCat("is ", request.score_from(), "; it must lie in [0, ", tokens - 1,
                                   "], the positions of the sequence"));
  }
  job.score_from = std::max(static_cast<int>(request.score_from()) - call.start.given, 0);
  job.top_logprobs = 0;  // the tokens' own are what is asked for
  if (request.has_top_logprobs()) {
    ASSIGN_OR_RETURN(job.top_logprobs,
                     ParseTopLogprobs("top_logprobs", request.top_logprobs(), config));
  }
  return call;
}

}  // namespace strided
