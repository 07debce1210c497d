#include "server/service/status_mapping.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engine/base/error_detail.h"
#include "google/rpc/error_details.pb.h"
#include "server/service/wire_time.h"

namespace strided {
namespace {

constexpr size_t kMaxTextBytes = 1024;

// Not in the middle of a character: the wire's strings are UTF-8.
std::string Cut(absl::string_view text) {
  if (text.size() <= kMaxTextBytes) return std::string(text);
  size_t end = kMaxTextBytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

google::rpc::ErrorInfo MakeErrorInfo(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  info.set_domain("strided");
  info.set_reason(absl::StatusCodeToString(status.code()));
  if (const std::optional<ErrorReason> reason = ReasonOf(status)) {
    info.set_reason(reason->reason);
    for (const auto& [key, value] : reason->metadata) (*info.mutable_metadata())[key] = Cut(value);
  }
  return info;
}

google::rpc::BadRequest MakeBadRequest(const std::string& field, const std::string& text) {
  google::rpc::BadRequest bad_request;
  google::rpc::BadRequest::FieldViolation& violation = *bad_request.add_field_violations();
  violation.set_field(field);
  violation.set_description(text);
  return bad_request;
}

google::rpc::QuotaFailure MakeQuotaFailure(const google::rpc::ErrorInfo& info,
                                           const std::string& text) {
  google::rpc::QuotaFailure failure;
  google::rpc::QuotaFailure::Violation& violation = *failure.add_violations();
  const auto subject = info.metadata().find("subject");
  if (subject != info.metadata().end()) violation.set_subject(subject->second);
  violation.set_description(text);
  return failure;
}

RequestOutcome OutcomeOfUnavailable(const absl::Status& status) {
  const std::string reason = ReasonOf(status).value_or(ErrorReason()).reason;
  if (reason == "QUEUE_FULL") return RequestOutcome::kRejectedQueue;
  if (reason == "DRAINING") return RequestOutcome::kDraining;
  return RequestOutcome::kEngineError;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string text = Cut(status.message());
  const google::rpc::ErrorInfo info = MakeErrorInfo(status);
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(text);
  wire.add_details()->PackFrom(info);
  if (const std::optional<std::string> field = FieldOf(status)) {
    wire.add_details()->PackFrom(MakeBadRequest(*field, text));
  }
  if (const std::optional<absl::Duration> delay = RetryAfterOf(status)) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = WireDuration(*delay);
    wire.add_details()->PackFrom(retry);
  }
  if (info.reason() == "QUOTA_EXCEEDED") wire.add_details()->PackFrom(MakeQuotaFailure(info, text));
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), text, wire.SerializeAsString());
}

RequestOutcome OutcomeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return RequestOutcome::kOk;
    case absl::StatusCode::kCancelled:
      return RequestOutcome::kCancelled;
    case absl::StatusCode::kDeadlineExceeded:
      return RequestOutcome::kDeadline;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
      return RequestOutcome::kInvalid;
    case absl::StatusCode::kResourceExhausted:
      return RequestOutcome::kRejectedQuota;
    case absl::StatusCode::kAborted:
      return RequestOutcome::kSlowReader;
    case absl::StatusCode::kUnavailable:
      return OutcomeOfUnavailable(status);
    default:
      return RequestOutcome::kEngineError;
  }
}

}  // namespace strided
