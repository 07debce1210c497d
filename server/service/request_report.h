// What is counted and logged of a request once it has ended.

#ifndef STRIDED_SERVER_SERVICE_REQUEST_REPORT_H_
#define STRIDED_SERVER_SERVICE_REQUEST_REPORT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/repository/served_model.h"
#include "server/scheduling/token_sink.h"

namespace strided {

// One request, Generate or Score, from its arrival to its status. Strings that it views live as
// long as the report.
struct RequestReport {
  absl::string_view method;                  // "Generate"
  std::string request_id;                    // empty where the request was refused before
  std::string traceparent;                   // W3C trace context of the caller; may be empty
  std::string peer;                          // as gRPC writes it, "ipv4:127.0.0.1:52114"
  std::shared_ptr<const ServedModel> model;  // null where none was found
  absl::Status status;                       // that the client got, or would have got
  absl::Duration time;                       // from the request's arrival
  JobSummary summary;                        // all 0 where no job ran
};

// Counts the outcome and the time in the model's series, and writes one line of the log: an error
// where it is the server's own, else information. Thread-safe.
void ReportRequest(const RequestReport& report);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_REQUEST_REPORT_H_
