// One GET over a socket of its own, for tests of the metrics endpoint.

#ifndef STRIDED_TESTS_SERVER_OBSERVABILITY_HTTP_GET_H_
#define STRIDED_TESTS_SERVER_OBSERVABILITY_HTTP_GET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

// The whole answer, status line and headers included, of the server on `address`
// ("127.0.0.1:<port>"). Unavailable where nobody listens or the connection breaks.
absl::StatusOr<std::string> HttpGet(absl::string_view address, absl::string_view path);

// The value of the line "<series> <value>" in Prometheus' text format, e.g.
// R"(strided_slots_total{model="m",version="1"})"; NotFound where there is none.
absl::StatusOr<double> SeriesValue(absl::string_view exposition, absl::string_view series);

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_OBSERVABILITY_HTTP_GET_H_
