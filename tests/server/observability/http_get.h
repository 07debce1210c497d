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

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_OBSERVABILITY_HTTP_GET_H_
