// Reads an object's fields one by one, each with its type and range; what nobody asked for is an
// error. Not thread-safe.
//
//   ASSIGN_OR_RETURN(JsonObject object, JsonObject::Create(&document, "image"));
//   ASSIGN_OR_RETURN(const int width, object.Integer("width", {1, 65536}));
//   RETURN_IF_ERROR(object.RefuseOthers());
//
// Every error is InvalidArgument: "<path> is <what was found>; expected <what>".

#ifndef STRIDED_ENGINE_MODEL_JSON_OBJECT_H_
#define STRIDED_ENGINE_MODEL_JSON_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

struct IntegerRange {  // both ends included
  int64_t least = 0;
  int64_t most = 0;
};

// A name in JSON and the enumerator that it stands for.
template <typename T>
using NamedValue = std::pair<absl::string_view, T>;

// "<path> is <found>; expected <expected>"; `found` may be null: "is missing". Long values are cut.
absl::Status JsonError(absl::string_view path, const nlohmann::json* found,
                       absl::string_view expected);

// An object whose fields are asked for one by one, each with what it must be. Every error is
// InvalidArgument in the form of JsonError. Remembers which fields were asked for, so that
// RefuseOthers can name one that nobody knows: a misspelt field is an error, not a default. Not
// thread-safe.
class JsonObject {
 public:
  // `value` must outlive this; `path` names it in errors, "" is the document itself.
  // InvalidArgument where it is no object.
  static absl::StatusOr<JsonObject> Create(const nlohmann::json* value, std::string path);

  // "image.width" for "width".
  std::string PathOf(absl::string_view name) const;

  // The field, or null where the object has none.
  const nlohmann::json* Find(absl::string_view name);

  // Each requires the field: one that is missing is an error, too. A number with a point
  // or an exponent is no integer.
  absl::StatusOr<int64_t> Integer(absl::string_view name, IntegerRange range);
  absl::StatusOr<bool> Boolean(absl::string_view name);
  absl::StatusOr<std::string> String(absl::string_view name);
  // A number in (0, 1], as every epsilon is.
  absl::StatusOr<double> Fraction(absl::string_view name);
  // As Fraction, or null, which gives none.
  absl::StatusOr<std::optional<double>> FractionOrNull(absl::string_view name);
  // A list of `length` values.
  absl::StatusOr<std::vector<int64_t>> Integers(absl::string_view name, IntegerRange length,
                                                IntegerRange range);
  // The elements of a list of `length`; they live as long as the document.
  absl::StatusOr<std::vector<const nlohmann::json*>> List(absl::string_view name,
                                                          IntegerRange length);
  // The enumerator of the one of `values` that the field names. The error lists all names.
  template <typename T>
  absl::StatusOr<T> OneOf(absl::string_view name, std::span<const NamedValue<T>> values) {
    std::vector<absl::string_view> names;
    for (const NamedValue<T>& value : values) names.push_back(value.first);
    const absl::StatusOr<size_t> index = IndexOf(name, names);
    if (!index.ok()) return index.status();
    return values[*index].second;
  }

  // An error that names the first field that no call above has asked for.
  absl::Status RefuseOthers() const;

 private:
  JsonObject(const nlohmann::json* value, std::string path)
      : value_(value), path_(std::move(path)) {}

  absl::StatusOr<size_t> IndexOf(absl::string_view name, std::span<const absl::string_view> names);

  const nlohmann::json* value_;
  std::string path_;
  std::vector<std::string> asked_;  // names of fields that a caller knows
};

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_JSON_OBJECT_H_
