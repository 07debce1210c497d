#include "client/cpp/windowed_record.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/media/audio_codes.h"
#include "client/cpp/proto_time.h"
#include "client/cpp/summary_times.h"

namespace strided::client {
namespace {

std::vector<uint32_t> TokensOf(const std::string& bytes) {
  std::vector<uint32_t> tokens;
  for (const char byte : bytes) tokens.push_back(static_cast<uint8_t>(byte));
  return tokens;
}

// The codes of the model whose 16-bit samples `bytes` are.
std::vector<uint32_t> CodesOfPcm16(const std::string& bytes, v1::AudioEncoding encoding) {
  std::vector<uint32_t> codes;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const int low = static_cast<uint8_t>(bytes[i]);
    const auto sample = static_cast<int16_t>(low | static_cast<uint8_t>(bytes[i + 1]) << 8);
    codes.push_back(encoding == v1::AUDIO_ENCODING_MULAW ? CodeOfMulaw(sample)
                                                         : CodeOfLinear8(sample));
  }
  return codes;
}

std::vector<uint32_t> TokensOf(const v1::Sequence& sequence) {
  if (!sequence.has_ids()) return TokensOf(sequence.raw());
  return {sequence.ids().ids().begin(), sequence.ids().ids().end()};
}

// The last `count` of `tokens`. Requires as many.
v1::Sequence LastTokens(const std::vector<uint32_t>& tokens, uint64_t count) {
  v1::Sequence sequence;
  sequence.mutable_ids()->mutable_ids()->Add(tokens.end() - static_cast<ptrdiff_t>(count),
                                             tokens.end());
  return sequence;
}

}  // namespace

WindowedRecord::WindowedRecord(v1::GenerateRequest request, const v1::Model& model,
                               const WindowPlan& plan)
    : request_(std::move(request)), plan_(plan), encoding_(model.audio().encoding()) {}

std::vector<v1::GenerateRequest> WindowedRecord::BeginWindow(absl::Duration elapsed) {
  const uint64_t prompt_tokens = TokensIn(request_.prompt());
  if (!window_.has_value()) {
    window_ = 0;
    window_prompt_ = plan_.FirstPrompt(prompt_tokens);
    base_ = prompt_tokens - window_prompt_;
    return {FirstRequest()};
  }
  generated_before_ += WindowLength();
  summary_ = *window_ == 0 ? window_summary_ : TimesInTurn(summary_, window_summary_);
  window_summary_.Clear();
  ++*window_;
  window_prompt_ = plan_.kept();
  base_ = prompt_tokens + generated_before_ - window_prompt_;
  std::vector<v1::GenerateRequest> requests;
  for (uint32_t index = 0; index < samples_.size(); ++index) {
    if (!samples_[index].ended) requests.push_back(LaterRequest(index, elapsed));
  }
  return requests;
}

v1::GenerateRequest WindowedRecord::FirstRequest() const {
  v1::GenerateRequest request = request_;
  if (base_ > 0) {
    *request.mutable_prompt() = LastTokens(TokensOf(request_.prompt()), window_prompt_);
  }
  v1::SamplingParams* sampling = request.mutable_sampling();
  sampling->set_max_new_tokens(static_cast<uint32_t>(WindowLength()));
  if (sampling->has_min_new_tokens()) {
    sampling->set_min_new_tokens(std::min(sampling->min_new_tokens(), sampling->max_new_tokens()));
  }
  return request;
}

v1::GenerateRequest WindowedRecord::LaterRequest(uint32_t sample_index,
                                                 absl::Duration elapsed) const {
  v1::GenerateRequest request = request_;
  request.set_request_id(started_->request_id());
  // Pinned: a newer version may have become the default since.
  request.set_model(absl::StrCat(started_->model(), "/", started_->model_version()));
  *request.mutable_prompt() = LastTokens(samples_[sample_index].tokens, window_prompt_);
  request.mutable_output()->clear_echo_prompt();
  v1::SamplingParams* sampling = request.mutable_sampling();
  sampling->set_seed(WindowSeed(started_->resolved().seed(), *window_));
  const uint64_t length = WindowLength();
  sampling->set_max_new_tokens(static_cast<uint32_t>(length));
  if (sampling->has_min_new_tokens()) {
    const uint64_t least = sampling->min_new_tokens();
    const uint64_t left = least > generated_before_ ? least - generated_before_ : 0;
    sampling->set_min_new_tokens(static_cast<uint32_t>(std::min(left, length)));
  }
  if (request.has_time_limit()) {
    const absl::Duration left = FromProto(request.time_limit()) - elapsed;
    *request.mutable_time_limit() = ToProto(std::max(left, absl::Milliseconds(1)));
  }
  request.mutable_resume()->set_sample_index(sample_index);
  request.mutable_resume()->set_model_fingerprint(started_->model_fingerprint());
  return request;
}

absl::StatusOr<std::optional<v1::GenerateResponse>> WindowedRecord::Accept(
    v1::GenerateResponse message) {
  switch (message.event_case()) {
    case v1::GenerateResponse::kStarted:
      if (started_.has_value()) return std::nullopt;
      *message.mutable_started() = AcceptStarted(std::move(*message.mutable_started()));
      break;
    case v1::GenerateResponse::kDelta:
      AcceptDelta(*message.mutable_delta());
      break;
    case v1::GenerateResponse::kFinished: {
      auto finished = AcceptFinished(std::move(*message.mutable_finished()));
      if (!finished.ok()) return finished.status();
      if (!finished->has_value()) return std::nullopt;
      *message.mutable_finished() = **std::move(finished);
      break;
    }
    case v1::GenerateResponse::kSummary:
      AcceptSummary(message.summary());
      return std::nullopt;
    default:
      break;
  }
  return Numbered(std::move(message));
}

bool WindowedRecord::complete() const {
  return !samples_.empty() &&
         std::all_of(samples_.begin(), samples_.end(), [](const Sample& s) { return s.ended; });
}

v1::GenerateResponse WindowedRecord::ClosingSummary() {
  v1::GenerateResponse message;
  v1::Summary* summary = message.mutable_summary();
  *summary = *window_ == 0 ? window_summary_ : TimesInTurn(summary_, window_summary_);
  summary->set_prompt_tokens(TokensIn(request_.prompt()));
  uint64_t generated = 0;
  for (const Sample& sample : samples_) generated += sample.generated;
  summary->set_generated_tokens(generated);
  return Numbered(std::move(message));
}

v1::Started WindowedRecord::AcceptStarted(v1::Started started) {
  started_ = started;
  Sample sample;
  sample.tokens = TokensOf(request_.prompt());
  samples_.assign(std::max(1U, started.resolved().samples()), sample);
  started.set_prompt_tokens(TokensIn(request_.prompt()));
  started.mutable_resolved()->set_max_new_tokens(static_cast<uint32_t>(plan_.length));
  if (request_.sampling().has_min_new_tokens()) {
    started.mutable_resolved()->set_min_new_tokens(request_.sampling().min_new_tokens());
  }
  return started;
}

void WindowedRecord::AcceptDelta(v1::Delta& delta) {
  std::vector<uint32_t>& tokens = samples_[delta.sample_index()].tokens;
  const bool is_pcm16 = started_->audio().encoding() == v1::AUDIO_ENCODING_PCM16;
  std::vector<uint32_t> more(delta.ids().ids().begin(), delta.ids().ids().end());
  if (delta.has_raw())
    more = is_pcm16 ? CodesOfPcm16(delta.raw(), encoding_) : TokensOf(delta.raw());
  const uint64_t echoed =
      window_prompt_ > delta.first_position() ? window_prompt_ - delta.first_position() : 0;
  const auto first_new = static_cast<ptrdiff_t>(std::min<uint64_t>(echoed, more.size()));
  tokens.insert(tokens.end(), more.begin() + first_new, more.end());
  if (tokens.size() > 2 * plan_.context) {  // seldom, so that a token is moved about once
    tokens.erase(tokens.begin(), tokens.end() - static_cast<ptrdiff_t>(plan_.context));
  }
  delta.set_first_position(base_ + delta.first_position());
}

absl::StatusOr<std::optional<v1::Finished>> WindowedRecord::AcceptFinished(v1::Finished finished) {
  Sample& sample = samples_[finished.sample_index()];
  sample.generated += finished.generated_tokens();
  sample.sum_log_prob += finished.sum_log_prob();
  if (finished.reason() == v1::FINISH_REASON_LENGTH && sample.generated < plan_.length) {
    if (finished.generated_tokens() == WindowLength()) return std::nullopt;
    return absl::InternalError(absl::StrCat("the server ended a sample of ", WindowLength(),
                                            " tokens by its length after ",
                                            finished.generated_tokens()));
  }
  sample.ended = true;
  finished.set_generated_tokens(sample.generated);
  finished.set_sum_log_prob(sample.sum_log_prob);
  return finished;
}

void WindowedRecord::AcceptSummary(const v1::Summary& summary) {
  window_summary_ = LongestTimes(window_summary_, summary);
}

uint64_t WindowedRecord::WindowLength() const {
  return std::min(plan_.length - generated_before_, plan_.context - window_prompt_);
}

v1::GenerateResponse WindowedRecord::Numbered(v1::GenerateResponse message) {
  message.set_message_index(next_message_index_++);
  return message;
}

}  // namespace strided::client
