// Prometheus' text format, as tests read it.

#ifndef STRIDED_TESTS_SERVER_OBSERVABILITY_EXPOSITION_H_
#define STRIDED_TESTS_SERVER_OBSERVABILITY_EXPOSITION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/observability/metrics.h"

namespace strided {

// What a scrape would get, but for the series of the process.
std::string Exposition(const Metrics& metrics);

// The value of the line "<series> <value>" in Prometheus' text format, e.g.
// R"(strided_slots_total{model="m",version="1"})"; NotFound where there is none.
absl::StatusOr<double> SeriesValue(absl::string_view exposition, absl::string_view series);

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_OBSERVABILITY_EXPOSITION_H_
