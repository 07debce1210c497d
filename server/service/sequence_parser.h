// strided.v1.Sequence -> token ids, each of them known to the model.

#ifndef STRIDED_SERVER_SERVICE_SEQUENCE_PARSER_H_
#define STRIDED_SERVER_SERVICE_SEQUENCE_PARSER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/config.h"
#include "server/repository/served_model.h"
#include "server/scheduling/job.h"
#include "server/service/token_format.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// The tokens of `sequence`, at most context_length; none where neither raw nor ids is set. `raw`
// says how raw bytes are to be read: kRaw; for audio models kPcm16; for models with a tokenizer
// kText; kIds: not at all. InvalidArgument with the path below `field`, e.g. "prompt.ids.ids[3]",
// value and limit; CONTEXT_LENGTH_EXCEEDED where there are too many, before any is looked at, or
// where text is longer than that many tokens can be.
absl::StatusOr<std::vector<int32_t>> ParseSequence(const v1::Sequence& sequence,
                                                   absl::string_view field,
                                                   const ServedModel& model, TokenFormat raw);

// A model without a start vector reads the first of `tokens` at step 0, or its start token where
// there are none: takes that out of `tokens`. InvalidArgument with `field` where there is neither.
struct SequenceStart {
  int32_t first_input = kStartInput;
  int given = 0;  // tokens taken out
};
absl::StatusOr<SequenceStart> TakeStart(absl::string_view field, const ModelConfig& config,
                                        std::vector<int32_t>& tokens);

// The tokens of text bytes: one per byte. InvalidArgument as above, with the path `field`.
absl::StatusOr<std::vector<int32_t>> ParseBytes(absl::string_view bytes, absl::string_view field,
                                                const ModelConfig& config);

// `ids` as tokens, in their order; as many as there are: the caller has checked the length.
// InvalidArgument naming `field`[i] where an id is too large.
absl::StatusOr<std::vector<int32_t>> ParseIds(const google::protobuf::RepeatedField<uint32_t>& ids,
                                              absl::string_view field, const ModelConfig& config);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SEQUENCE_PARSER_H_
