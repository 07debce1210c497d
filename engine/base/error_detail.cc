#include "engine/base/error_detail.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace strided {
namespace {

constexpr absl::string_view kReasonUrl = "strided/error_reason";
constexpr absl::string_view kFieldUrl = "strided/field";
constexpr absl::string_view kRetryAfterUrl = "strided/retry_after_nanoseconds";

// Netstrings, "<length>:<bytes>" each: values may hold any byte.
void AppendPart(absl::string_view part, std::string& encoded) {
  absl::StrAppend(&encoded, part.size(), ":", part);
}

std::vector<std::string> DecodeParts(absl::string_view encoded) {
  std::vector<std::string> parts;
  while (!encoded.empty()) {
    const size_t colon = encoded.find(':');
    size_t length = 0;
    if (colon == absl::string_view::npos || !absl::SimpleAtoi(encoded.substr(0, colon), &length) ||
        length > encoded.size() - colon - 1) {
      return {};  // not ours
    }
    parts.emplace_back(encoded.substr(colon + 1, length));
    encoded.remove_prefix(colon + 1 + length);
  }
  return parts;
}

std::optional<std::string> Payload(const absl::Status& status, absl::string_view url) {
  const auto payload = status.GetPayload(url);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

absl::Status WithReason(absl::Status status, const ErrorReason& reason) {
  std::string encoded;
  AppendPart(reason.reason, encoded);
  for (const auto& [key, value] : reason.metadata) {
    AppendPart(key, encoded);
    AppendPart(value, encoded);
  }
  status.SetPayload(kReasonUrl, absl::Cord(encoded));
  return status;
}

std::optional<ErrorReason> ReasonOf(const absl::Status& status) {
  const std::optional<std::string> encoded = Payload(status, kReasonUrl);
  if (!encoded.has_value()) return std::nullopt;
  std::vector<std::string> parts = DecodeParts(*encoded);
  if (parts.size() % 2 == 0) return std::nullopt;
  ErrorReason reason{.reason = std::move(parts[0]), .metadata = {}};
  for (size_t i = 1; i < parts.size(); i += 2) {
    reason.metadata[std::move(parts[i])] = std::move(parts[i + 1]);
  }
  return reason;
}

absl::Status WithField(absl::Status status, absl::string_view field) {
  status.SetPayload(kFieldUrl, absl::Cord(field));
  return status;
}

std::optional<std::string> FieldOf(const absl::Status& status) {
  return Payload(status, kFieldUrl);
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration delay) {
  status.SetPayload(kRetryAfterUrl, absl::Cord(absl::StrCat(absl::ToInt64Nanoseconds(delay))));
  return status;
}

std::optional<absl::Duration> RetryAfterOf(const absl::Status& status) {
  const std::optional<std::string> text = Payload(status, kRetryAfterUrl);
  int64_t nanoseconds = 0;
  if (!text.has_value() || !absl::SimpleAtoi(*text, &nanoseconds)) return std::nullopt;
  return absl::Nanoseconds(nanoseconds);
}

}  // namespace strided
