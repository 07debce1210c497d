#include "client/cpp/bench/load_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/call_context.h"
#include "client/cpp/delta_tokens.h"
#include "client/cpp/error_details.h"
#include "client/cpp/generation_record.h"

namespace strided::client {
namespace {

// What both methods share: reading a stream to its end.
template <typename Response>
class StreamCall : public LoadCall {
 public:
  StreamCall(const CallSite& site, const RequestMeter& meter)
      : context_(site.token, site.options), meter_(meter) {}

  std::optional<absl::Status> Advance(bool ok, absl::Time now) final {
    if (operation_ == Operation::kFinish) {
      if (!fault_.ok()) return fault_;
      absl::Status status = StatusOfCall(status_);
      return status.ok() ? CheckWhole() : status;
    }
    if (!ok) {
      operation_ = Operation::kFinish;
      reader_->Finish(&status_, tag());
      return std::nullopt;
    }
    if (std::exchange(operation_, Operation::kRead) == Operation::kRead && fault_.ok()) {
      meter_.CountMessage(response_.ByteSizeLong(), now);
      fault_ = Accept(std::move(response_), now);
      if (!fault_.ok()) context_.get()->TryCancel();  // then only the end is waited for
    }
    response_.Clear();
    reader_->Read(&response_, tag());
    return std::nullopt;
  }

  RequestMeter& meter() final { return meter_; }

 protected:
  // Enters the tokens of the stream's next message; an error where it cannot be the next.
  virtual absl::Status Accept(Response response, absl::Time now) = 0;
  // After the last message of a stream with the status OK.
  virtual absl::Status CheckWhole() const = 0;

  grpc::ClientContext* context() { return context_.get(); }
  void* tag() { return static_cast<LoadCall*>(this); }
  void Read(std::unique_ptr<grpc::ClientAsyncReader<Response>> reader) {
    reader_ = std::move(reader);
  }

 private:
  enum class Operation { kStart, kRead, kFinish };

  CallContext context_;
  RequestMeter meter_;
  std::unique_ptr<grpc::ClientAsyncReader<Response>> reader_;
  Operation operation_ = Operation::kStart;  // the one in flight
  Response response_;                        // of kRead
  grpc::Status status_;                      // of kFinish
  absl::Status fault_;                       // that we found in the stream
};

class GenerateCall final : public StreamCall<v1::GenerateResponse> {
 public:
  GenerateCall(const CallSite& site, const v1::GenerateRequest& request, const RequestMeter& meter)
      : StreamCall(site, meter), record_(request) {
    Read(site.stub->AsyncGenerate(context(), request, site.queue, tag()));
  }

 private:
  absl::Status Accept(v1::GenerateResponse response, absl::Time now) override {
    if (response.message_index() != next_message_index_++) {
      return absl::DataLossError("a message of the stream was lost or came twice");
    }
    const auto event = record_.Accept(std::move(response));
    if (!event.ok()) return event.status();
    if (!event->has_value()) return absl::OkStatus();
    if ((*event)->has_started()) bytes_per_token_ = BytesPerToken((*event)->started());
    if (!(*event)->has_delta()) return absl::OkStatus();
    const v1::Delta& delta = (*event)->delta();
    const absl::StatusOr<uint64_t> tokens = CountTokens(delta, bytes_per_token_);
    if (tokens.ok()) meter().CountTokens(delta.sample_index(), *tokens, now);
    return tokens.status();
  }

  absl::Status CheckWhole() const override {
    if (record_.summarized()) return absl::OkStatus();
    return absl::InternalError("the server ended the stream before its summary");
  }

  GenerationRecord record_;
  uint64_t next_message_index_ = 0;
  int bytes_per_token_ = 1;
};

class ScoreCall final : public StreamCall<v1::ScoreResponse> {
 public:
  ScoreCall(const CallSite& site, const v1::ScoreRequest& request, const RequestMeter& meter)
      : StreamCall(site, meter) {
    Read(site.stub->AsyncScore(context(), request, site.queue, tag()));
  }

 private:
  absl::Status Accept(v1::ScoreResponse response, absl::Time now) override {
    const auto tokens = static_cast<uint64_t>(response.log_probs().chosen_size());
    if (tokens > 0 &&
        next_position_.value_or(response.first_position()) != response.first_position()) {
      return absl::DataLossError(absl::StrCat(
          "scores go on at position ", response.first_position(), "; expected ", *next_position_));
    }
    if (tokens > 0) next_position_ = response.first_position() + tokens;
    totals_ = totals_ || response.has_total_log_prob();
    meter().CountTokens(/*sample=*/0, tokens, now);
    return absl::OkStatus();
  }

  absl::Status CheckWhole() const override {
    if (totals_) return absl::OkStatus();
    return absl::InternalError("the server ended the scores without their total");
  }

  std::optional<uint64_t> next_position_;  // of the next scores; none before the first
  bool totals_ = false;
};

}  // namespace

std::unique_ptr<LoadCall> StartGenerate(const CallSite& site, const v1::GenerateRequest& request,
                                        const RequestMeter& meter) {
  return std::make_unique<GenerateCall>(site, request, meter);
}

std::unique_ptr<LoadCall> StartScore(const CallSite& site, const v1::ScoreRequest& request,
                                     const RequestMeter& meter) {
  return std::make_unique<ScoreCall>(site, request, meter);
}

}  // namespace strided::client
