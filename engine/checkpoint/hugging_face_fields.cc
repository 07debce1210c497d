#include "engine/checkpoint/hugging_face_fields.h"

#include <nlohmann/json.hpp>

#include "engine/base/status_macros.h"

namespace strided {

bool HuggingFaceFields::IsGiven(absl::string_view name) {
  const nlohmann::json* const value = object_.Find(name);
  return value != nullptr && !value->is_null();
}

absl::StatusOr<int64_t> HuggingFaceFields::Size(absl::string_view name, int64_t most) {
  return object_.Integer(name, {1, most});
}

absl::StatusOr<int64_t> HuggingFaceFields::SizeOr(absl::string_view name, int64_t most,
                                                  int64_t otherwise) {
  if (!IsGiven(name)) return otherwise;
  return Size(name, most);
}

absl::StatusOr<bool> HuggingFaceFields::BooleanOr(absl::string_view name, bool otherwise) {
  if (!IsGiven(name)) return otherwise;
  return object_.Boolean(name);
}

absl::Status HuggingFaceFields::RefuseTrue(absl::string_view name) {
  ASSIGN_OR_RETURN(const bool found, BooleanOr(name, false));
  return found ? Error(name, "false") : absl::OkStatus();
}

absl::Status HuggingFaceFields::Error(absl::string_view name, absl::string_view expected) {
  return JsonError(name, object_.Find(name), expected);
}

}  // namespace strided
