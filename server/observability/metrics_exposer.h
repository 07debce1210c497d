// The HTTP endpoint that Prometheus scrapes.

#ifndef STRIDED_SERVER_OBSERVABILITY_METRICS_EXPOSER_H_
#define STRIDED_SERVER_OBSERVABILITY_METRICS_EXPOSER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/observability/metrics.h"

namespace prometheus {
class Exposer;
}

namespace strided {

class ProcessSeries;

// Serves GET /metrics, from two threads of its own, until destroyed. Thread-safe.
class MetricsExposer {
 public:
  // Listens on `address`, "host:port" with a numeric host; port 0 takes a free one. Keeps the
  // registry of `metrics` alive. InvalidArgument where the address is not of that form;
  // FailedPrecondition, with the address and the system's reason, where it cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsExposer>> Start(const std::string& address,
                                                               const Metrics& metrics);

  // For Start: `exposer` listens on `address` already.
  MetricsExposer(std::string address, std::unique_ptr<prometheus::Exposer> exposer,
                 const Metrics& metrics);
  ~MetricsExposer();

  // What it listens on, "host:port", with the real port.
  const std::string& address() const { return address_; }

 private:
  const std::string address_;
  // Shared with the exposer's threads, which may be in a scrape when this ends.
  const std::shared_ptr<prometheus::Registry> registry_;
  const std::shared_ptr<ProcessSeries> process_;
  const std::unique_ptr<prometheus::Exposer> exposer_;  // last: its threads are joined first
};

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_METRICS_EXPOSER_H_
