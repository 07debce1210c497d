#include "server/service/generate_encoder.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/service/audio_codec.h"
#include "server/service/log_probs_encoding.h"
#include "server/service/wire_time.h"

namespace strided {
namespace {

std::string Bytes(const std::vector<int32_t>& tokens) {
  std::string bytes;
  bytes.reserve(tokens.size());
  for (const int32_t token : tokens) bytes.push_back(static_cast<char>(token));
  return bytes;
}

std::string Pcm16(const std::vector<int32_t>& codes, AudioEncoding encoding) {
  std::string bytes;
  bytes.reserve(2 * codes.size());
  for (const int32_t code : codes) {
    const auto sample = static_cast<uint16_t>(SampleOfCode(encoding, code));
    bytes.push_back(static_cast<char>(sample & 0xff));
    bytes.push_back(static_cast<char>(sample >> 8));
  }
  return bytes;
}

v1::FinishReason WireReason(FinishReason reason) {
  switch (reason) {
    case FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
    case FinishReason::kEndOfSequence:
      return v1::FINISH_REASON_END_OF_SEQUENCE;
    case FinishReason::kStop:
      return v1::FINISH_REASON_STOP;
    case FinishReason::kContextFull:
      return v1::FINISH_REASON_CONTEXT_FULL;
    case FinishReason::kTimeLimit:
      return v1::FINISH_REASON_TIME_LIMIT;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

v1::Progress::State WirePhase(JobPhase phase) {
  switch (phase) {
    case JobPhase::kQueued:
      return v1::Progress::STATE_QUEUED;
    case JobPhase::kPrefilling:
      return v1::Progress::STATE_PREFILLING;
    case JobPhase::kDecoding:
      return v1::Progress::STATE_DECODING;
    case JobPhase::kPreempted:
      return v1::Progress::STATE_PREEMPTED;
  }
  return v1::Progress::STATE_UNSPECIFIED;
}

v1::Progress EncodeProgress(const JobProgress& progress) {
  v1::Progress wire;
  wire.set_state(WirePhase(progress.phase));
  wire.set_queue_position(static_cast<uint32_t>(progress.queue_position));
  wire.set_prefilled_tokens(static_cast<uint64_t>(progress.prefilled_tokens));
  return wire;
}

v1::Summary EncodeSummary(const JobSummary& summary, int given) {
  v1::Summary wire;
  wire.set_prompt_tokens(static_cast<uint64_t>(given + summary.prompt_tokens));
  wire.set_generated_tokens(static_cast<uint64_t>(summary.generated_tokens));
  *wire.mutable_queue_time() = WireDuration(summary.queue_time);
  *wire.mutable_prefill_time() = WireDuration(summary.prefill_time);
  *wire.mutable_time_to_first_token() = WireDuration(summary.time_to_first_token);
  *wire.mutable_decode_time() = WireDuration(summary.decode_time);
  wire.set_preemptions(static_cast<uint32_t>(summary.preemptions));
  return wire;
}

// `batch` with a token before the others that nothing has predicted.
TokenBatch WithFirst(int32_t token, TokenBatch batch) {
  const size_t top_count = batch.top_ids.size() / batch.tokens.size();
  batch.tokens.insert(batch.tokens.begin(), token);
  if (!batch.log_probs.empty()) batch.log_probs.insert(batch.log_probs.begin(), 0.0f);
  batch.top_ids.insert(batch.top_ids.begin(), top_count, token);
  batch.top_values.insert(batch.top_values.begin(), top_count, 0.0f);
  return batch;
}

}  // namespace

GenerateEncoder::GenerateEncoder(v1::Started started, const Options& options)
    : started_(std::move(started)), options_(options) {}

v1::GenerateResponse GenerateEncoder::Encode(StreamEvent event) {
  v1::GenerateResponse response;
  response.set_message_index(next_index_++);
  if (auto* batch = std::get_if<TokenBatch>(&event)) {
    *response.mutable_delta() = EncodeTokens(std::move(*batch));
  } else if (const auto* end = std::get_if<SampleEnd>(&event)) {
    *response.mutable_finished() = EncodeEnd(*end);
  } else if (const auto* progress = std::get_if<JobProgress>(&event)) {
    *response.mutable_progress() = EncodeProgress(*progress);
  } else if (const auto* summary = std::get_if<JobSummary>(&event)) {
    *response.mutable_summary() = EncodeSummary(*summary, options_.given);
  } else {
    *response.mutable_started() = std::move(started_);
  }
  return response;
}

v1::Delta GenerateEncoder::EncodeTokens(TokenBatch batch) const {
  v1::Delta delta;
  delta.set_sample_index(batch.sample_index);
  int first_position = options_.given + batch.first_position;
  if (options_.echoed.has_value() && batch.first_position == 0) {
    batch = WithFirst(*options_.echoed, std::move(batch));
    first_position = 0;
  }
  delta.set_first_position(static_cast<uint64_t>(first_position));
  switch (options_.format) {
    case TokenFormat::kRaw:
      delta.set_raw(Bytes(batch.tokens));
      break;
    case TokenFormat::kPcm16:
      delta.set_raw(Pcm16(batch.tokens, options_.audio_encoding));
      break;
    case TokenFormat::kText:
      for (const int32_t token : batch.tokens) {
        absl::StrAppend(delta.mutable_text(), options_.tokenizer->TextOf(token));
      }
      [[fallthrough]];
    case TokenFormat::kIds:
      delta.mutable_ids()->mutable_ids()->Add(batch.tokens.begin(), batch.tokens.end());
      break;
  }
  if (!batch.log_probs.empty()) *delta.mutable_log_probs() = WireLogProbs(batch);
  return delta;
}

v1::Finished GenerateEncoder::EncodeEnd(const SampleEnd& end) const {
  v1::Finished wire;
  wire.set_sample_index(end.sample_index);
  wire.set_reason(WireReason(end.reason));
  wire.set_text_before_stop(end.text_before_stop);
  if (options_.format != TokenFormat::kIds) wire.set_matched_stop_sequence(Bytes(end.matched_stop));
  wire.set_generated_tokens(static_cast<uint64_t>(end.generated_tokens));
  wire.set_sum_log_prob(end.sum_log_prob);
  return wire;
}

}  // namespace strided
