// strided.v1.OutputOptions -> what a stream carries and how it is paced.

#ifndef STRIDED_SERVER_SERVICE_OUTPUT_PARSER_H_
#define STRIDED_SERVER_SERVICE_OUTPUT_PARSER_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/model/config.h"
#include "server/repository/served_model.h"
#include "server/service/mailbox.h"
#include "server/service/token_format.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

struct OutputPlan {
  TokenFormat format = TokenFormat::kRaw;
  std::optional<int> top_logprobs;                  // unset: no log-probabilities
  std::optional<uint32_t> max_tokens_per_message;   // >= 1; unset: as many as have gathered
  std::optional<absl::Duration> max_message_delay;  // in [0, 10 s]; unset: the server's choice
  bool echo_prompt = false;
  int longest_text = 0;  // bytes of a token's, for kText
};

// InvalidArgument with the field's path below "output", its value and its limit. audio_encoding is
// for audio models alone: their own encoding, or PCM16.
absl::StatusOr<OutputPlan> ParseOutput(const v1::OutputOptions& output, const ServedModel& model);

// How a stream with this output is paced: messages of at most 256 KiB, and a mailbox of about one
// such message or 4,096 tokens, whichever is less.
MailboxOptions PaceOf(const OutputPlan& output);

// The wire's name for what a stream of an audio model carries.
v1::AudioEncoding WireEncoding(AudioEncoding encoding, TokenFormat format);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_OUTPUT_PARSER_H_
