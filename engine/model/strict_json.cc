#include "engine/model/strict_json.h"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

using Json = nlohmann::json;

// Walks the text once before it becomes a document: the parser itself takes any depth, and of two
// equal keys silently the last.
class StrictReader final : public nlohmann::json_sax<Json> {
 public:
  absl::Status status() const { return status_; }

  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }

  bool start_object(size_t /*elements*/) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t /*elements*/) override { return Enter(); }
  bool end_array() override { return Leave(); }

  bool key(string_t& value) override {
    if (keys_.back().insert(value).second) return true;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("has the key \"", absl::Utf8SafeCHexEscape(value), "\" twice in one object"));
    return false;
  }

  bool parse_error(size_t position, const std::string& /*last_token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    status_ = absl::InvalidArgumentError(absl::StrCat("is not JSON at byte ", position));
    return false;
  }

 private:
  bool Enter() {
    if (keys_.size() == size_t{kMaxJsonDepth}) {
      status_ =
          absl::InvalidArgumentError(absl::StrCat("is nested more than ", kMaxJsonDepth, " deep"));
      return false;
    }
    keys_.emplace_back();
    return true;
  }
  bool Leave() {
    keys_.pop_back();
    return true;
  }

  absl::Status status_;
  std::vector<std::set<std::string>> keys_;  // of each open object; empty for a list
};

}  // namespace

absl::StatusOr<Json> ParseStrictJson(absl::string_view text) {
  StrictReader reader;
  Json::sax_parse(text.begin(), text.end(), &reader);
  RETURN_IF_ERROR(reader.status());
  return Json::parse(text.begin(), text.end(), /*cb=*/nullptr, /*allow_exceptions=*/false);
}

}  // namespace strided
