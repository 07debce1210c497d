// Which program this is.

#ifndef STRIDED_SERVER_OBSERVABILITY_BUILD_INFO_H_
#define STRIDED_SERVER_OBSERVABILITY_BUILD_INFO_H_

#include "absl/strings/string_view.h"

namespace strided {

// The project's version, e.g. "0.1.0".
absl::string_view BuildVersion();
// What compiled it, e.g. "g++ 12.2.0".
absl::string_view BuildCompiler();

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_BUILD_INFO_H_
