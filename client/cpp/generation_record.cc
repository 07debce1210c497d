#include "client/cpp/generation_record.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cpp/delta_tokens.h"
#include "client/cpp/proto_time.h"
#include "client/cpp/summary_times.h"

namespace strided::client {
namespace {

// More than any server takes; a wrong number must not become as many records.
constexpr uint32_t kMostSamples = 4096;

// The generated part of `delta`, at positions from `prompt_tokens` on, is added to `generated`.
void AppendGenerated(const v1::Delta& delta, uint64_t prompt_tokens, int bytes_per_token,
                     v1::Sequence* generated) {
  const uint64_t echoed =
      prompt_tokens > delta.first_position() ? prompt_tokens - delta.first_position() : 0;
  if (delta.has_ids()) {
    const auto& ids = delta.ids().ids();
    for (uint64_t i = echoed; i < static_cast<uint64_t>(ids.size()); ++i) {
      generated->mutable_ids()->add_ids(ids[static_cast<int>(i)]);
    }
  } else if (const uint64_t skip = echoed * static_cast<uint64_t>(bytes_per_token);
             skip < delta.raw().size()) {
    generated->mutable_raw()->append(delta.raw(), skip, std::string::npos);
  }
}

uint64_t TokensIn(const v1::Sequence& sequence, int bytes_per_token) {
  if (sequence.has_ids()) return static_cast<uint64_t>(sequence.ids().ids_size());
  return sequence.raw().size() / static_cast<size_t>(bytes_per_token);
}

}  // namespace

absl::StatusOr<std::optional<v1::GenerateResponse>> GenerationRecord::Accept(
    v1::GenerateResponse message) {
  if (!started() && !message.has_started()) {
    return absl::InternalError("the stream does not begin with Started");
  }
  switch (message.event_case()) {
    case v1::GenerateResponse::kStarted: {
      const bool first = !started();
      if (absl::Status status = AcceptStarted(message.started()); !status.ok()) return status;
      if (!first) return std::nullopt;
      break;
    }
    case v1::GenerateResponse::kDelta: {
      auto fresh = AcceptDelta(std::move(*message.mutable_delta()));
      if (!fresh.ok()) return fresh.status();
      if (!fresh->has_value()) return std::nullopt;
      *message.mutable_delta() = **std::move(fresh);
      break;
    }
    case v1::GenerateResponse::kFinished:
      if (absl::Status status = AcceptFinished(message.finished()); !status.ok()) return status;
      break;
    case v1::GenerateResponse::kSummary:
      if (resumed_) {
        resumed_summary_ = LongestTimes(resumed_summary_, message.summary());
        return std::nullopt;
      }
      if (!complete()) return absl::InternalError("a summary came before every sample finished");
      summarized_ = true;
      break;
    case v1::GenerateResponse::kProgress:
      break;
    case v1::GenerateResponse::EVENT_NOT_SET:  // of a newer server
      return std::nullopt;
  }
  return Numbered(std::move(message));
}

bool GenerationRecord::complete() const {
  return started() && std::all_of(samples_.begin(), samples_.end(), [](const auto& entry) {
           return entry.second.finished.has_value();
         });
}

std::vector<v1::GenerateRequest> GenerationRecord::Resumes(absl::Duration elapsed) const {
  std::vector<v1::GenerateRequest> requests;
  for (const auto& [index, sample] : samples_) {
    if (sample.finished.has_value()) continue;
    v1::GenerateRequest request = request_;
    request.set_request_id(started_->request_id());
    // Pinned: a newer version may have become the default since.
    request.set_model(absl::StrCat(started_->model(), "/", started_->model_version()));
    request.mutable_sampling()->set_seed(started_->resolved().seed());
    if (request.has_time_limit()) {
      const absl::Duration left = FromProto(request.time_limit()) - elapsed;
      *request.mutable_time_limit() = ToProto(std::max(left, absl::Milliseconds(1)));
    }
    *request.mutable_resume()->mutable_generated() = sample.generated;
    request.mutable_resume()->set_sample_index(index);
    request.mutable_resume()->set_model_fingerprint(started_->model_fingerprint());
    requests.push_back(std::move(request));
  }
  return requests;
}

v1::GenerateResponse GenerationRecord::ClosingSummary() {
  v1::GenerateResponse message;
  v1::Summary* summary = message.mutable_summary();
  *summary = resumed_summary_;
  summary->set_prompt_tokens(started_->prompt_tokens());
  summary->set_generated_tokens(0);
  for (const auto& [index, sample] : samples_) {
    summary->set_generated_tokens(summary->generated_tokens() +
                                  sample.finished->generated_tokens());
  }
  summarized_ = true;
  return Numbered(std::move(message));
}

absl::Status GenerationRecord::AcceptStarted(const v1::Started& started) {
  if (started_.has_value()) {
    resumed_ = true;
    if (started.model_fingerprint() == started_->model_fingerprint()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "the stream broke and can only be resumed with model fingerprint ",
        started_->model_fingerprint(), "; the server now has ", started.model_fingerprint()));
  }
  const uint32_t count = started.resolved().has_samples() ? started.resolved().samples() : 1;
  if (count == 0 || count > kMostSamples) {
    return absl::InternalError(absl::StrCat("the server announces ", count, " samples"));
  }
  started_ = started;
  Sample sample;
  sample.next_position = request_.output().echo_prompt() ? 0 : started.prompt_tokens();
  if (!request_.has_resume()) {
    for (uint32_t index = 0; index < count; ++index) samples_.emplace(index, sample);
    return absl::OkStatus();
  }
  // The caller itself goes on with one sample of an earlier stream.
  sample.generated = request_.resume().generated();
  const uint64_t resumed_tokens = TokensIn(sample.generated, BytesPerToken(started));
  if (resumed_tokens > 0) sample.next_position = started.prompt_tokens() + resumed_tokens;
  samples_.emplace(request_.resume().sample_index(), std::move(sample));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::Delta>> GenerationRecord::AcceptDelta(v1::Delta delta) {
  const absl::StatusOr<Sample*> found = FindUnfinished(delta.sample_index());
  if (!found.ok()) return found.status();
  Sample& sample = **found;
  const int bytes_per_token = BytesPerToken(*started_);
  const absl::StatusOr<uint64_t> count = CountTokens(delta, bytes_per_token);
  if (!count.ok()) return count.status();
  if (delta.first_position() > sample.next_position) {
    return absl::DataLossError(absl::StrCat("sample ", delta.sample_index(),
                                            " goes on at position ", delta.first_position(),
                                            "; position ", sample.next_position, " is missing"));
  }
  const uint64_t seen = sample.next_position - delta.first_position();
  if (seen > 0 && *count <= seen) return std::nullopt;
  absl::StatusOr<v1::Delta> fresh = WithoutFirst(seen, std::move(delta), bytes_per_token);
  if (!fresh.ok()) return fresh.status();
  AppendGenerated(*fresh, started_->prompt_tokens(), bytes_per_token, &sample.generated);
  sample.next_position += *count - seen;
  delivered_tokens_ += *count - seen;
  return *std::move(fresh);
}

absl::Status GenerationRecord::AcceptFinished(const v1::Finished& finished) {
  const absl::StatusOr<Sample*> sample = FindUnfinished(finished.sample_index());
  if (!sample.ok()) return sample.status();
  (*sample)->finished = finished;
  return absl::OkStatus();
}

absl::StatusOr<GenerationRecord::Sample*> GenerationRecord::FindUnfinished(uint32_t sample_index) {
  const auto found = samples_.find(sample_index);
  if (found == samples_.end()) {
    return absl::InternalError(
        absl::StrCat("the server sent sample ", sample_index, ", which was not asked for"));
  }
  if (found->second.finished.has_value()) {
    return absl::InternalError(
        absl::StrCat("the server went on with sample ", sample_index, " after its end"));
  }
  return &found->second;
}

v1::GenerateResponse GenerationRecord::Numbered(v1::GenerateResponse message) {
  message.set_message_index(next_message_index_++);
  return message;
}

}  // namespace strided::client
