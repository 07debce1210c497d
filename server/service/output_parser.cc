#include "server/service/output_parser.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "server/service/field_error.h"
#include "server/service/limits.h"
#include "server/service/request_fields.h"

namespace strided {
namespace {

absl::StatusOr<TokenFormat> ParseFormat(const v1::OutputOptions& output, const ServedModel& model) {
  constexpr absl::string_view kField = "output.audio_encoding";
  const ModelConfig& config = model.config();
  const TokenFormat own = OwnFormat(model);
  if (!output.has_audio_encoding()) return own;
  const std::string given =
      v1::AudioEncoding_IsValid(output.audio_encoding())
          ? v1::AudioEncoding_Name(output.audio_encoding())
          : absl::StrCat(static_cast<int>(output.audio_encoding()), " (unknown)");
  if (!config.audio.has_value()) {
    return FieldError(kField, absl::StrCat("is ", given, "; this model makes ",
                                           ModalityName(config.modality), ", not audio"));
  }
  const v1::AudioEncoding models = WireEncoding(config.audio->encoding, TokenFormat::kRaw);
  if (output.audio_encoding() == models) return own;
  if (output.audio_encoding() == v1::AUDIO_ENCODING_PCM16 && own == TokenFormat::kRaw) {
    return TokenFormat::kPcm16;
  }
  return FieldError(
      kField, absl::StrCat("is ", given, "; this model gives ", v1::AudioEncoding_Name(models),
                           own == TokenFormat::kRaw ? " or AUDIO_ENCODING_PCM16" : ""));
}

absl::StatusOr<absl::Duration> ParseDelay(const google::protobuf::Duration& proto) {
  constexpr absl::string_view kField = "output.max_message_delay";
  ASSIGN_OR_RETURN(const absl::Duration delay, ParseDuration(kField, proto));
  if (delay >= absl::ZeroDuration() && delay <= kMaxMessageDelay) return delay;
  return FieldError(kField,
                    absl::StrCat("is ", absl::FormatDuration(delay), "; it must lie in [0, ",
                                 absl::FormatDuration(kMaxMessageDelay), "]"));
}

}  // namespace

absl::StatusOr<OutputPlan> ParseOutput(const v1::OutputOptions& output, const ServedModel& model) {
  OutputPlan plan;
  ASSIGN_OR_RETURN(plan.format, ParseFormat(output, model));
  if (output.has_top_logprobs()) {
    ASSIGN_OR_RETURN(plan.top_logprobs, ParseTopLogprobs("output.top_logprobs",
                                                         output.top_logprobs(), model.config()));
  }
  if (output.has_max_tokens_per_message()) {
    if (output.max_tokens_per_message() == 0) {
      return FieldError("output.max_tokens_per_message", "is 0; a message holds at least 1 token");
    }
    plan.max_tokens_per_message = output.max_tokens_per_message();
  }
  if (output.has_max_message_delay()) {
    ASSIGN_OR_RETURN(plan.max_message_delay, ParseDelay(output.max_message_delay()));
  }
  if (model.tokenizer.has_value()) {
    plan.longest_text = static_cast<int>(model.tokenizer->longest_text());
  }
  plan.echo_prompt = output.echo_prompt();
  return plan;
}

MailboxOptions PaceOf(const OutputPlan& output) {
  constexpr int kFramingBytes = 256;  // tags, lengths and positions of one message, generously
  int token_bytes = output.format == TokenFormat::kIds ? 5 : 2;  // at most
  if (output.format == TokenFormat::kText) token_bytes = 5 + output.longest_text;
  if (output.top_logprobs.has_value()) token_bytes += 4 + *output.top_logprobs * (5 + 4);
  const int message_tokens = (kMaxMessageBytes - kFramingBytes) / token_bytes;
  const uint32_t wanted = output.max_tokens_per_message.value_or(kMaxMessageBytes);
  return {.message_tokens =
              static_cast<int>(std::min<uint32_t>(wanted, static_cast<uint32_t>(message_tokens))),
          .capacity_tokens = std::min(message_tokens, kMailboxTokens),
          .message_delay = output.max_message_delay.value_or(kDefaultMessageDelay),
          .log_probs = output.top_logprobs.has_value()};
}

v1::AudioEncoding WireEncoding(AudioEncoding encoding, TokenFormat format) {
  if (format == TokenFormat::kPcm16) return v1::AUDIO_ENCODING_PCM16;
  switch (encoding) {
    case AudioEncoding::kMulaw:
      return v1::AUDIO_ENCODING_MULAW;
    case AudioEncoding::kLinear8:
      return v1::AUDIO_ENCODING_LINEAR8;
  }
  return v1::AUDIO_ENCODING_UNSPECIFIED;
}

}  // namespace strided
