#include "engine/base/quoted.h"

#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace strided {
namespace {

constexpr size_t kMaxQuotedBytes = 64;

}  // namespace

std::string Quoted(absl::string_view text) {
  const bool cut = text.size() > kMaxQuotedBytes;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxQuotedBytes)), cut ? "..." : "",
                      "\"");
}

}  // namespace strided
