// Errors as a server sends them, with google.rpc details.

#ifndef STRIDED_TESTS_CLIENT_CPP_RICH_STATUS_H_
#define STRIDED_TESTS_CLIENT_CPP_RICH_STATUS_H_

#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <utility>

#include "google/rpc/error_details.pb.h"

namespace strided::client {

// Collects details, one of each kind.
class RichStatus {
 public:
  RichStatus(grpc::StatusCode code, std::string message) : code_(code), message_(message) {
    status_.set_code(code);
    status_.set_message(std::move(message));
  }

  RichStatus& Reason(const std::string& reason,
                     const std::map<std::string, std::string>& metadata = {{"limit", "7"}}) {
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    info.set_domain("strided");
    for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
    return Add(info);
  }
  RichStatus& RetryIn(int milliseconds) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(milliseconds / 1000);
    retry.mutable_retry_delay()->set_nanos(milliseconds % 1000 * 1'000'000);
    return Add(retry);
  }
  RichStatus& Field(const std::string& field) {
    google::rpc::BadRequest bad_request;
    bad_request.add_field_violations()->set_field(field);
    return Add(bad_request);
  }
  RichStatus& Quota(const std::string& subject, const std::string& description) {
    google::rpc::QuotaFailure quota;
    quota.add_violations()->set_subject(subject);
    quota.mutable_violations(0)->set_description(description);
    return Add(quota);
  }

  grpc::Status Build() const { return {code_, message_, status_.SerializeAsString()}; }

 private:
  RichStatus& Add(const google::protobuf::Message& detail) {
    status_.add_details()->PackFrom(detail);
    return *this;
  }

  const grpc::StatusCode code_;
  const std::string message_;
  google::rpc::Status status_;
};

}  // namespace strided::client

#endif  // STRIDED_TESTS_CLIENT_CPP_RICH_STATUS_H_
