#include "client/cpp/delta_tokens.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

// Cuts the first `count` entries, or all where there are fewer.
template <typename Field>
void EraseFirst(uint64_t count, Field* field) {
  const auto size = static_cast<uint64_t>(field->size());
  field->erase(field->begin(), field->begin() + static_cast<int>(std::min(count, size)));
}

}  // namespace

int BytesPerToken(const v1::Started& started) {
  return started.audio().encoding() == v1::AUDIO_ENCODING_PCM16 ? 2 : 1;
}

absl::StatusOr<uint64_t> CountTokens(const v1::Delta& delta, int bytes_per_token) {
  if (delta.has_ids()) return static_cast<uint64_t>(delta.ids().ids_size());
  const auto width = static_cast<size_t>(bytes_per_token);
  if (delta.raw().size() % width != 0) {
    return absl::InternalError(absl::StrCat("the server sent ", delta.raw().size(),
                                            " bytes for tokens of ", width, " bytes each"));
  }
  return delta.raw().size() / width;
}

absl::StatusOr<v1::Delta> WithoutFirst(uint64_t count, v1::Delta delta, int bytes_per_token) {
  if (count == 0) return delta;
  if (!delta.text().empty()) {
    return absl::DataLossError("the resumed stream cannot be joined inside a piece of text");
  }
  if (delta.has_ids()) {
    EraseFirst(count, delta.mutable_ids()->mutable_ids());
  } else {
    delta.mutable_raw()->erase(0, count * static_cast<uint64_t>(bytes_per_token));
  }
  if (delta.has_log_probs()) {
    v1::LogProbs* log_probs = delta.mutable_log_probs();
    EraseFirst(count, log_probs->mutable_chosen());
    EraseFirst(count * log_probs->top_count(), log_probs->mutable_top_ids());
    EraseFirst(count * log_probs->top_count(), log_probs->mutable_top_values());
  }
  delta.set_first_position(delta.first_position() + count);
  return delta;
}

}  // namespace strided::client
