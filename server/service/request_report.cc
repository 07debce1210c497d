#include "server/service/request_report.h"

#include <cstddef>
#include <cstdint>

#include "server/observability/log.h"
#include "server/observability/metrics.h"
#include "server/observability/model_series.h"
#include "server/service/status_mapping.h"

namespace strided {

void ReportRequest(const RequestReport& report) {
  const RequestOutcome outcome = OutcomeOf(report.status);
  if (report.model != nullptr && report.model->metrics != nullptr) {
    report.model->metrics->CountRequest(outcome);
    report.model->metrics->ObserveRequestTime(report.time);
  }
  const JobSummary& summary = report.summary;
  const Severity severity =
      outcome == RequestOutcome::kEngineError ? Severity::kError : Severity::kInfo;
  Log(severity, "request ended",
      {{"method", std::string(report.method)},
       {"request_id", report.request_id},
       {"model", report.model == nullptr ? "" : report.model->name},
       {"version", report.model == nullptr ? "" : report.model->version},
       {"outcome", kOutcomeLabels[static_cast<size_t>(outcome)]},
       {"code", absl::StatusCodeToString(report.status.code())},
       {"error", std::string(report.status.message())},
       {"peer", report.peer},
       {"traceparent", report.traceparent},
       {"prompt_tokens", summary.prompt_tokens},
       {"generated_tokens", summary.generated_tokens},
       {"preemptions", int64_t{summary.preemptions}},
       {"seconds", absl::ToDoubleSeconds(report.time)},
       {"queue_seconds", absl::ToDoubleSeconds(summary.queue_time)},
       {"prefill_seconds", absl::ToDoubleSeconds(summary.prefill_time)},
       {"first_token_seconds", absl::ToDoubleSeconds(summary.time_to_first_token)},
       {"decode_seconds", absl::ToDoubleSeconds(summary.decode_time)}});
}

}  // namespace strided
