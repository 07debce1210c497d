// strided.v1.GenerateRequest -> the job that the scheduler runs and the stream that carries it.

#ifndef STRIDED_SERVER_SERVICE_GENERATE_PARSER_H_
#define STRIDED_SERVER_SERVICE_GENERATE_PARSER_H_

#include "absl/status/statusor.h"
#include "server/repository/served_model.h"
#include "server/scheduling/job.h"
#include "server/service/output_parser.h"
#include "server/service/request_fields.h"
#include "server/service/sequence_parser.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

struct GenerateCall {
  Job job;
  OutputPlan output;
  int samples = 1;  // that the request asked for; job.samples is 1 where one is resumed
  SequenceStart start;
};

// Checks every field and resolves every default. InvalidArgument with the field's path, its value
// and its limit for the first one that is wrong, CONTEXT_LENGTH_EXCEEDED where the sequence is too
// long for the model or the device; FailedPrecondition FINGERPRINT_MISMATCH where a resume comes
// from other weights. Pure and thread-safe. Looks at no more of a request than a valid one has, so
// its time is bounded by the model's context and vocabulary.
absl::StatusOr<GenerateCall> ParseGenerate(const v1::GenerateRequest& request,
                                           const ServedModel& model, const Arrival& arrival);

// The stream's first message.
v1::Started MakeStarted(const v1::GenerateRequest& request, const ServedModel& model,
                        const GenerateCall& call);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_GENERATE_PARSER_H_
