#include "client/cpp/output/live_lines.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

constexpr absl::Duration kBetweenDraws = absl::Milliseconds(50);
constexpr absl::string_view kLineStart = "\r";
constexpr absl::string_view kLineUp = "\x1b[A";
constexpr absl::string_view kEraseToEnd = "\x1b[J";

}  // namespace

absl::Status LiveLines::Set(Slot slot, std::string line) {
  lines_[slot] = std::move(line);
  if (now_() - last_drawn_ < kBetweenDraws) return absl::OkStatus();
  return Draw("");
}

absl::Status LiveLines::Print(absl::string_view line) { return Draw(absl::StrCat(line, "\n")); }

absl::Status LiveLines::Replace(Slot slot, absl::string_view line) {
  lines_[slot].clear();
  return Print(line);
}

absl::Status LiveLines::Clear() {
  lines_ = {};
  return Draw("");
}

absl::Status LiveLines::Draw(absl::string_view above) {
  // One write, so that the terminal never shows a half-drawn state.
  std::string bytes;
  if (drawn_ > 0) {
    absl::StrAppend(&bytes, kLineStart);
    for (int i = 1; i < drawn_; ++i) absl::StrAppend(&bytes, kLineUp);
    absl::StrAppend(&bytes, kEraseToEnd);
  }
  absl::StrAppend(&bytes, above);
  drawn_ = 0;
  for (const std::string& line : lines_) {
    if (line.empty()) continue;
    absl::StrAppend(&bytes, drawn_ == 0 ? "" : "\n", line);
    ++drawn_;
  }
  last_drawn_ = now_();
  if (bytes.empty()) return absl::OkStatus();
  return terminal_->Write(bytes);
}

}  // namespace strided::client
