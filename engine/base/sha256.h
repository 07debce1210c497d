// SHA-256 (FIPS 180-4).

#ifndef STRIDED_ENGINE_BASE_SHA256_H_
#define STRIDED_ENGINE_BASE_SHA256_H_

#include <cstddef>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace strided {

// The digest of the parts, one after the other, as 64 lower-case hexadecimal digits. Internal where
// the library has no SHA-256 (a restricted OpenSSL).
absl::StatusOr<std::string> Sha256Hex(std::span<const std::span<const std::byte>> parts);

}  // namespace strided

#endif  // STRIDED_ENGINE_BASE_SHA256_H_
