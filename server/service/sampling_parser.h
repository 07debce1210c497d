// strided.v1.SamplingParams -> how tokens are drawn and when a sample ends, with every default
// filled in. All errors are InvalidArgument with the field's path below "sampling", its value and
// its limit.

#ifndef STRIDED_SERVER_SERVICE_SAMPLING_PARSER_H_
#define STRIDED_SERVER_SERVICE_SAMPLING_PARSER_H_

#include "absl/status/statusor.h"
#include "engine/model/config.h"
#include "engine/sampling/parameters.h"
#include "server/repository/served_model.h"
#include "server/scheduling/job.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// The values that shape the distribution, temperature to allowed_ids. Defaults: those of
// SamplingParameters.
absl::StatusOr<SamplingParameters> ParseDistribution(const v1::SamplingParams& sampling,
                                                     const ModelConfig& config);

// Lengths and stops, for a prompt of `prompt_tokens`. Without max_new_tokens an image is completed
// and text and audio run to the context's end. CONTEXT_LENGTH_EXCEEDED {limit, given} where prompt
// and new tokens are more than that; at least one new token is always wanted. Stop sequences are of
// tokens, or of the text of models with a tokenizer, which the result reads and must not outlive.
absl::StatusOr<StopConditions> ParseStopConditions(const v1::SamplingParams& sampling,
                                                   const ServedModel& model, int prompt_tokens);

// samples, default 1.
absl::StatusOr<int> ParseSamples(const v1::SamplingParams& sampling);

// The values that `job` really uses, for Started: a request with these gives the same tokens.
// `samples` is the request's own number, of which a resumed job runs one.
v1::SamplingParams ResolvedSampling(const v1::SamplingParams& sampling, const Job& job,
                                    int samples);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SAMPLING_PARSER_H_
