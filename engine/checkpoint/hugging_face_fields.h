// The fields of a Hugging Face config.json, most of which may be absent or null and then mean what
// transformers takes.

#ifndef STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_FIELDS_H_
#define STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_FIELDS_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/json_object.h"

namespace strided {

// Every error is InvalidArgument in the form of JsonError. Not thread-safe.
class HuggingFaceFields {
 public:
  // The document that `object` reads outlives this.
  explicit HuggingFaceFields(JsonObject object) : object_(std::move(object)) {}

  // For fields that have to be there.
  JsonObject& object() { return object_; }

  // Whether the field is there and not null.
  bool IsGiven(absl::string_view name);

  // A number in [1, most].
  absl::StatusOr<int64_t> Size(absl::string_view name, int64_t most);
  // The same, or `otherwise` where it is not given.
  absl::StatusOr<int64_t> SizeOr(absl::string_view name, int64_t most, int64_t otherwise);
  absl::StatusOr<bool> BooleanOr(absl::string_view name, bool otherwise);

  // An error where the field is given and true: an option that the engine has not.
  absl::Status RefuseTrue(absl::string_view name);
  // "<name> is <found>; expected <expected>".
  absl::Status Error(absl::string_view name, absl::string_view expected);

 private:
  JsonObject object_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_FIELDS_H_
