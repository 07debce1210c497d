#include "engine/model/json_object.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxShown = 60;  // bytes of a value in an error

std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (text.size() > kMaxShown) text = absl::StrCat(text.substr(0, kMaxShown), "...");
  return text;
}

// As it is where it reads like a field; else quoted and escaped.
std::string ShownName(const std::string& name) {
  const bool plain = !name.empty() && name.size() <= kMaxShown &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return absl::ascii_isgraph(static_cast<unsigned char>(c));
                     });
  return plain ? name : Shown(Json(name));
}

std::string IntegerText(IntegerRange range) {
  return absl::StrCat("an integer from ", range.least, " to ", range.most);
}

std::optional<int64_t> IntegerIn(const Json& value, IntegerRange range) {
  if (!value.is_number_integer()) return std::nullopt;
  const bool above_int64 =
      value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (above_int64) return std::nullopt;
  const int64_t number = value.get<int64_t>();
  if (number < range.least || number > range.most) return std::nullopt;
  return number;
}

constexpr absl::string_view kFractionText = "a number above 0, at most 1";

bool IsFraction(const Json& value) {
  return value.is_number() && value.get<double>() > 0 && value.get<double>() <= 1;
}

}  // namespace

absl::Status JsonError(absl::string_view path, const Json* found, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      path, " is ", found == nullptr ? "missing" : Shown(*found), "; expected ", expected));
}

absl::StatusOr<JsonObject> JsonObject::Create(const Json* value, std::string path) {
  if (!value->is_object()) {
    return JsonError(path.empty() ? "the document" : path, value, "an object");
  }
  return JsonObject(value, std::move(path));
}

std::string JsonObject::PathOf(absl::string_view name) const {
  return path_.empty() ? std::string(name) : absl::StrCat(path_, ".", name);
}

const Json* JsonObject::Find(absl::string_view name) {
  if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) asked_.emplace_back(name);
  const auto field = value_->find(std::string(name));
  return field == value_->end() ? nullptr : &*field;
}

absl::StatusOr<int64_t> JsonObject::Integer(absl::string_view name, IntegerRange range) {
  const Json* value = Find(name);
  const std::optional<int64_t> number = value == nullptr ? std::nullopt : IntegerIn(*value, range);
  if (!number.has_value()) return JsonError(PathOf(name), value, IntegerText(range));
  return *number;
}

absl::StatusOr<bool> JsonObject::Boolean(absl::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr || !value->is_boolean()) {
    return JsonError(PathOf(name), value, "true or false");
  }
  return value->get<bool>();
}

absl::StatusOr<std::string> JsonObject::String(absl::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr || !value->is_string()) return JsonError(PathOf(name), value, "a string");
  return value->get<std::string>();
}

absl::StatusOr<double> JsonObject::Fraction(absl::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr || !IsFraction(*value)) return JsonError(PathOf(name), value, kFractionText);
  return value->get<double>();
}

absl::StatusOr<std::optional<double>> JsonObject::FractionOrNull(absl::string_view name) {
  const Json* value = Find(name);
  if (value != nullptr && value->is_null()) return std::nullopt;
  if (value == nullptr || !IsFraction(*value)) {
    return JsonError(PathOf(name), value, absl::StrCat(kFractionText, ", or null"));
  }
  return value->get<double>();
}

absl::StatusOr<std::vector<const Json*>> JsonObject::List(absl::string_view name,
                                                          IntegerRange length) {
  const Json* value = Find(name);
  if (value == nullptr || !value->is_array() ||
      static_cast<int64_t>(value->size()) < length.least ||
      static_cast<int64_t>(value->size()) > length.most) {
    const std::string counts = length.least == length.most
                                   ? absl::StrCat(length.least)
                                   : absl::StrCat(length.least, " to ", length.most);
    return JsonError(PathOf(name), value, absl::StrCat("a list of ", counts, " elements"));
  }
  std::vector<const Json*> elements;
  for (const Json& element : *value) elements.push_back(&element);
  return elements;
}

absl::StatusOr<std::vector<int64_t>> JsonObject::Integers(absl::string_view name,
                                                          IntegerRange length, IntegerRange range) {
  ASSIGN_OR_RETURN(const std::vector<const Json*> elements, List(name, length));
  std::vector<int64_t> numbers;
  for (const Json* element : elements) {
    const std::optional<int64_t> number = IntegerIn(*element, range);
    if (!number.has_value()) {
      return JsonError(absl::StrCat(PathOf(name), "[", numbers.size(), "]"), element,
                       IntegerText(range));
    }
    numbers.push_back(*number);
  }
  return numbers;
}

absl::StatusOr<size_t> JsonObject::IndexOf(absl::string_view name,
                                           std::span<const absl::string_view> names) {
  const Json* value = Find(name);
  if (value != nullptr && value->is_string()) {
    const auto found = std::find(names.begin(), names.end(), value->get<std::string>());
    if (found != names.end()) return static_cast<size_t>(found - names.begin());
  }
  const std::string choices = absl::StrCat("\"", absl::StrJoin(names, "\", \""), "\"");
  return JsonError(PathOf(name), value,
                   names.size() == 1 ? choices : absl::StrCat("one of ", choices));
}

absl::Status JsonObject::RefuseOthers() const {
  for (const auto& [name, value] : value_->items()) {
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) {
      return absl::InvalidArgumentError(absl::StrCat(PathOf(ShownName(name)),
                                                     " is an unknown field; expected only ",
                                                     absl::StrJoin(asked_, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace strided
