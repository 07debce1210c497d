#include "engine/checkpoint/npy_header.h"

#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);
constexpr int64_t kShortPrefixBytes = 10;  // version 1: the header's length has two bytes
constexpr int64_t kLongPrefixBytes = 12;   // versions 2 and 3: four

constexpr std::array<std::pair<absl::string_view, DType>, 4> kDTypes = {
    {{"<f4", DType::kFloat32},
     {"<f2", DType::kFloat16},
     {"<V2", DType::kBfloat16},
     {"|V2", DType::kBfloat16}}};

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Reads the few Python literals that NumPy writes, from front to back.
class LiteralReader {
 public:
  explicit LiteralReader(absl::string_view text) : left_(text), size_(text.size()) {}

  // Whether `token` comes next, after spaces; takes it.
  bool Take(absl::string_view token) {
    left_ = absl::StripLeadingAsciiWhitespace(left_);
    return absl::ConsumePrefix(&left_, token);
  }

  absl::Status Expect(absl::string_view token) {
    return Take(token) ? absl::OkStatus() : Unexpected(absl::StrCat("\"", token, "\""));
  }

  // 'text' or "text", without escapes.
  absl::StatusOr<std::string> String() {
    for (const char quote : {'\'', '"'}) {
      if (!Take(absl::string_view(&quote, 1))) continue;
      const size_t end = left_.find(quote);
      const std::string text(left_.substr(0, end));
      if (end == absl::string_view::npos || absl::StrContains(text, '\\')) break;
      left_.remove_prefix(end + 1);
      return text;
    }
    return Unexpected("a string");
  }

  absl::StatusOr<bool> Boolean() {
    if (Take("True")) return true;
    if (Take("False")) return false;
    return Unexpected("True or False");
  }

  // A whole number, up to 18 digits.
  absl::StatusOr<int64_t> Integer() {
    left_ = absl::StripLeadingAsciiWhitespace(left_);
    int64_t value = 0;
    size_t digits = 0;
    for (; digits < left_.size() && left_[digits] >= '0' && left_[digits] <= '9'; ++digits) {
      if (digits == 18) return Unexpected("a number below 10^18");
      value = value * 10 + (left_[digits] - '0');
    }
    if (digits == 0) return Unexpected("a whole number");
    left_.remove_prefix(digits);
    return value;
  }

  // (), (3,) or (3, 4).
  absl::StatusOr<std::vector<int64_t>> Tuple() {
    RETURN_IF_ERROR(Expect("("));
    std::vector<int64_t> values;
    bool comma = false;
    while (!Take(")")) {
      if (!values.empty() && !comma) return Unexpected("\",\" or \")\"");
      if (values.size() == kMaxNpyDimensions) {
        return Unexpected(absl::StrCat("at most ", kMaxNpyDimensions, " dimensions"));
      }
      ASSIGN_OR_RETURN(const int64_t value, Integer());
      values.push_back(value);
      comma = Take(",");
    }
    if (values.size() == 1 && !comma) return Unexpected("a tuple, (3,)");
    return values;
  }

  absl::Status ExpectEnd() {
    left_ = absl::StripLeadingAsciiWhitespace(left_);
    return left_.empty() ? absl::OkStatus() : Unexpected("the end");
  }

  absl::Status Unexpected(absl::string_view expected) const {
    return Invalid("has \"", absl::CHexEscape(left_.substr(0, 20)), "\" at byte ",
                   size_ - left_.size(), " of its NumPy header; expected ", expected);
  }

 private:
  absl::string_view left_;
  size_t size_;
};

absl::StatusOr<DType> DTypeOf(absl::string_view descr) {
  for (const auto& [name, dtype] : kDTypes) {
    if (name == descr) return dtype;
  }
  return Invalid("has dtype '", absl::CHexEscape(descr.substr(0, 20)),
                 "'; expected '<f4', '<f2' or, as bfloat16, '<V2'");
}

absl::StatusOr<int64_t> CountElements(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) {
    if (size < 1 || size > kMaxNpyElements / elements) {
      return Invalid("has shape [", absl::StrJoin(shape, ", "), "]; expected 1 to ",
                     kMaxNpyElements, " elements");
    }
    elements *= size;
  }
  return elements;
}

// The value of one key of the dict, which comes next, put into its field of `header`.
absl::Status ReadField(absl::string_view key, LiteralReader& reader, NpyHeader& header) {
  if (key == "descr") {
    ASSIGN_OR_RETURN(const std::string descr, reader.String());
    ASSIGN_OR_RETURN(header.dtype, DTypeOf(descr));
  } else if (key == "fortran_order") {
    ASSIGN_OR_RETURN(header.fortran_order, reader.Boolean());
  } else if (key == "shape") {
    ASSIGN_OR_RETURN(header.shape, reader.Tuple());
    ASSIGN_OR_RETURN(header.elements, CountElements(header.shape));
  } else {
    return Invalid("has the key \"", absl::CHexEscape(key.substr(0, 20)),
                   "\" in its NumPy header; expected descr, fortran_order and shape");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NpyHeaderPlace> FindNpyHeader(std::span<const std::byte> start) {
  const absl::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (static_cast<int64_t>(start.size()) < kNpyStartBytes || !absl::StartsWith(text, kMagic)) {
    return Invalid("is not an array of NumPy; expected it to start with \\x93NUMPY");
  }
  const int major = static_cast<uint8_t>(text[6]);
  const int minor = static_cast<uint8_t>(text[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return Invalid("has version ", major, ".", minor, " of NumPy's format; expected 1.0 to 3.0");
  }
  NpyHeaderPlace place = {.begin = major == 1 ? kShortPrefixBytes : kLongPrefixBytes};
  uint32_t size = 0;
  std::memcpy(&size, start.data() + 8, major == 1 ? sizeof(uint16_t) : sizeof(uint32_t));
  place.size = size;
  if (place.size > kMaxNpyHeaderBytes) {
    return Invalid("has a NumPy header of ", place.size, " bytes; expected at most ",
                   kMaxNpyHeaderBytes);
  }
  return place;
}

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text) {
  LiteralReader reader(text);
  NpyHeader header;
  std::set<std::string> keys;
  RETURN_IF_ERROR(reader.Expect("{"));
  while (!reader.Take("}")) {
    ASSIGN_OR_RETURN(const std::string key, reader.String());
    RETURN_IF_ERROR(reader.Expect(":"));
    RETURN_IF_ERROR(ReadField(key, reader, header));
    if (!keys.insert(key).second) {
      return Invalid("has the key \"", key, "\" twice in its NumPy header; expected it once");
    }
    if (reader.Take(",")) continue;
    RETURN_IF_ERROR(reader.Expect("}"));
    break;
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  if (keys.size() != 3) {
    return Invalid("has only {", absl::StrJoin(keys, ", "),
                   "} in its NumPy header; expected descr, fortran_order and shape");
  }
  return header;
}

}  // namespace strided
