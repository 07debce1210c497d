// JSON from files that anyone may have written.

#ifndef STRIDED_ENGINE_MODEL_STRICT_JSON_H_
#define STRIDED_ENGINE_MODEL_STRICT_JSON_H_

#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

// Objects and lists within each other that ParseStrictJson takes.
inline constexpr int kMaxJsonDepth = 16;

// The document in `text`. InvalidArgument, with the byte where reading stopped, unless `text` is
// one JSON document in UTF-8 (no comments, no NaN, no number beyond a double), nested at most
// kMaxJsonDepth deep, without an object that has a key twice. The text of an error is a predicate
// ("has the key ... twice"), so that the caller puts the file's name before it.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_STRICT_JSON_H_
