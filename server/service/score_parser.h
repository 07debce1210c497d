// strided.v1.ScoreRequest -> the job that the scheduler runs.

#ifndef STRIDED_SERVER_SERVICE_SCORE_PARSER_H_
#define STRIDED_SERVER_SERVICE_SCORE_PARSER_H_

#include "absl/status/statusor.h"
#include "server/repository/served_model.h"
#include "server/scheduling/job.h"
#include "server/service/request_fields.h"
#include "server/service/sequence_parser.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

struct ScoreCall {
  Job job;
  SequenceStart start;
};

// Checks every field, and resolves every default. The sequence has 1 to context_length tokens, of
// which at least one is scored; raw bytes are read as for a prompt. Errors as ParseGenerate, but
// for those of a resume. Pure and thread-safe; looks at no more of a request than a valid one has.
absl::StatusOr<ScoreCall> ParseScore(const v1::ScoreRequest& request, const ServedModel& model,
                                     const Arrival& arrival);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SCORE_PARSER_H_
