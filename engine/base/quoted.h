// Text from outside, fit for an error or the log.

#ifndef STRIDED_ENGINE_BASE_QUOTED_H_
#define STRIDED_ENGINE_BASE_QUOTED_H_

#include <string>

#include "absl/strings/string_view.h"

namespace strided {

// `text` in double quotes: control characters, quotes and what is not ASCII escaped as in C, cut
// after 64 bytes, which "..." says.
std::string Quoted(absl::string_view text);

}  // namespace strided

#endif  // STRIDED_ENGINE_BASE_QUOTED_H_
