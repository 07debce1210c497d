#include "client/cpp/generate_stream.h"

#include <utility>

#include "client/cpp/call_context.h"
#include "client/cpp/error_details.h"
#include "client/cpp/retry.h"

namespace strided::client {

struct GenerateStream::Carrier {
  Carrier(const std::string& token, const CallOptions& options) : context(token, options) {}

  enum class Operation { kStart, kRead, kFinish };

  CallContext context;
  std::unique_ptr<grpc::ClientAsyncReader<v1::GenerateResponse>> reader;
  Operation operation = Operation::kStart;  // the one in flight
  v1::GenerateResponse message;             // of kRead
  grpc::Status status;                      // of kFinish
  uint64_t next_message_index = 0;
};

GenerateStream::GenerateStream(std::shared_ptr<grpc::Channel> channel, std::string token,
                               const v1::GenerateRequest& request, const CallOptions& options)
    : stub_(v1::SamplingService::NewStub(std::move(channel))),
      token_(std::move(token)),
      options_(options),
      begin_(absl::Now()),
      record_(request) {
  Open(request);
}

GenerateStream::~GenerateStream() {
  for (const auto& carrier : carriers_) carrier->context.get()->TryCancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {  // operations in flight end here, before their carriers
  }
}

absl::StatusOr<std::optional<v1::GenerateResponse>> GenerateStream::Next() {
  while (outcome_.ok() && !ended_) {
    absl::StatusOr<std::optional<v1::GenerateResponse>> event = std::nullopt;
    if (carriers_.empty()) {
      event = Continue();
    } else {
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      event = Advance(static_cast<Carrier*>(tag), ok);
    }
    if (!event.ok()) outcome_ = event.status();
    if (event.ok() && event->has_value()) return event;
  }
  if (!outcome_.ok()) return outcome_;
  return std::nullopt;
}

void GenerateStream::Open(const v1::GenerateRequest& request) {
  auto carrier = std::make_unique<Carrier>(token_, options_);
  carrier->reader = stub_->AsyncGenerate(carrier->context.get(), request, &queue_, carrier.get());
  carriers_.push_back(std::move(carrier));
}

absl::StatusOr<std::optional<v1::GenerateResponse>> GenerateStream::Advance(Carrier* carrier,
                                                                            bool ok) {
  using Operation = Carrier::Operation;
  if (carrier->operation == Operation::kFinish) {
    if (absl::Status status = CloseCarrier(carrier); !status.ok()) return status;
    return std::nullopt;
  }
  if (!ok) {
    carrier->operation = Operation::kFinish;
    carrier->reader->Finish(&carrier->status, carrier);
    return std::nullopt;
  }
  v1::GenerateResponse message = std::exchange(carrier->message, {});
  const bool is_message = carrier->operation == Operation::kRead;
  carrier->operation = Operation::kRead;
  carrier->reader->Read(&carrier->message, carrier);
  if (!is_message) return std::nullopt;
  if (message.message_index() != carrier->next_message_index++) {
    return absl::DataLossError("a message of the stream was lost or came twice");
  }
  return record_.Accept(std::move(message));
}

absl::Status GenerateStream::CloseCarrier(Carrier* carrier) {
  absl::Status status = StatusOfCall(carrier->status);
  std::erase_if(carriers_, [carrier](const auto& held) { return held.get() == carrier; });
  if (status.ok()) return status;
  const bool resumable = record_.started() && options_.retry.tries > 0 && MaySucceedLater(status);
  if (!resumable) return status;
  break_ = status;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::GenerateResponse>> GenerateStream::Continue() {
  if (record_.complete()) {
    if (!record_.summarized()) return record_.ClosingSummary();
    ended_ = true;
    return std::nullopt;
  }
  // Without a break, every stream ended with OK and still something is missing.
  if (break_.ok()) return absl::InternalError("the server ended the stream before its last sample");
  if (absl::Status status = WaitToResume(); !status.ok()) return status;
  ++resumptions_;
  for (const v1::GenerateRequest& request : record_.Resumes(absl::Now() - begin_)) Open(request);
  return std::nullopt;
}

absl::Status GenerateStream::WaitToResume() {
  if (record_.delivered_tokens() > tokens_at_last_try_) tries_ = 0;
  tokens_at_last_try_ = record_.delivered_tokens();
  absl::Status failure = std::exchange(break_, absl::OkStatus());
  if (tries_ == options_.retry.tries) return failure;
  return WaitBeforeTry(tries_++, failure, options_);
}

}  // namespace strided::client
