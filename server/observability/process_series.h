// What the operating system says of this process, read when a scrape asks.

#ifndef STRIDED_SERVER_OBSERVABILITY_PROCESS_SERIES_H_
#define STRIDED_SERVER_OBSERVABILITY_PROCESS_SERIES_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

namespace strided {

// process_resident_memory_bytes, process_cpu_seconds_total, process_open_fds and process_threads,
// with the meanings that Prometheus' own client libraries give them. A series that the system does
// not tell is left out. Thread-safe.
class ProcessSeries final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_PROCESS_SERIES_H_
