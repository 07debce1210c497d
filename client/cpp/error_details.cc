#include "client/cpp/error_details.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace strided::client {
namespace {

constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.Status";

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return std::max(absl::ZeroDuration(),
                  absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()));
}

// `detail` as a Message; none where it is of another type, or malformed.
template <typename Message>
std::optional<Message> As(const google::protobuf::Any& detail) {
  Message message;
  if (!detail.UnpackTo(&message)) return std::nullopt;
  return message;
}

google::rpc::Status WireStatusOf(const absl::Status& status) {
  google::rpc::Status message;
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value() || !message.ParseFromString(std::string(*payload))) message.Clear();
  return message;
}

}  // namespace

absl::Status StatusOfCall(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // The numbers of the two enumerations are the same.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (!status.error_details().empty()) {
    result.SetPayload(kPayloadUrl, absl::Cord(status.error_details()));
  }
  return result;
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  const google::rpc::Status message = WireStatusOf(status);
  for (const google::protobuf::Any& detail : message.details()) {
    if (const auto info = As<google::rpc::ErrorInfo>(detail)) {
      details.reason = info->reason();
      details.domain = info->domain();
      details.metadata = {info->metadata().begin(), info->metadata().end()};
    } else if (const auto retry = As<google::rpc::RetryInfo>(detail)) {
      details.retry_delay = DurationOf(retry->retry_delay());
    } else if (const auto bad_request = As<google::rpc::BadRequest>(detail)) {
      for (const auto& violation : bad_request->field_violations()) {
        details.fields.push_back({violation.field(), violation.description()});
      }
    } else if (const auto quota = As<google::rpc::QuotaFailure>(detail)) {
      for (const auto& violation : quota->violations()) {
        details.quotas.push_back(absl::StrCat(violation.subject(), ": ", violation.description()));
      }
    }
  }
  return details;
}

}  // namespace strided::client
