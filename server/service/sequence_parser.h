// strided.v1.Sequence -> token ids, each of them known to the model.

#ifndef STRIDED_SERVER_SERVICE_SEQUENCE_PARSER_H_
#define STRIDED_SERVER_SERVICE_SEQUENCE_PARSER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/config.h"
#include "server/service/token_format.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// The tokens of `sequence`, at most context_length; none where neither raw nor ids is set. `raw`
// says how raw bytes are to be read: kRaw or, for audio models, kPcm16; models of more than 256
// tokens take ids alone. InvalidArgument with the path below `field`, e.g. "prompt.ids.ids[3]",
// value and limit; CONTEXT_LENGTH_EXCEEDED where there are too many, before any is looked at.
absl::StatusOr<std::vector<int32_t>> ParseSequence(const v1::Sequence& sequence,
                                                   absl::string_view field,
                                                   const ModelConfig& config, TokenFormat raw);

// The tokens of text bytes: one per byte. InvalidArgument as above, with the path `field`.
absl::StatusOr<std::vector<int32_t>> ParseBytes(absl::string_view bytes, absl::string_view field,
                                                const ModelConfig& config);

// `ids` as tokens, in their order; as many as there are: the caller has checked the length.
// InvalidArgument naming `field`[i] where an id is too large.
absl::StatusOr<std::vector<int32_t>> ParseIds(const google::protobuf::RepeatedField<uint32_t>& ids,
                                              absl::string_view field, const ModelConfig& config);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SEQUENCE_PARSER_H_
