// What a terminal shows after the few escape sequences that LiveLines uses.

#ifndef STRIDED_TESTS_CLIENT_CPP_OUTPUT_SCREEN_H_
#define STRIDED_TESTS_CLIENT_CPP_OUTPUT_SCREEN_H_

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace strided::client {

// The lines of a screen of unlimited size, joined by newlines. Knows newline, carriage return,
// cursor up (CSI A) and erase to the end (CSI J), the last two at the start of a line only; colours
// stay in the text.
inline std::string ScreenText(absl::string_view bytes) {
  std::vector<std::string> lines(1);
  size_t row = 0;
  while (!bytes.empty()) {
    if (absl::ConsumePrefix(&bytes, "\x1b[A")) {
      --row;
    } else if (absl::ConsumePrefix(&bytes, "\x1b[J")) {
      lines.resize(row + 1);
      lines[row].clear();
    } else if (absl::ConsumePrefix(&bytes, "\n")) {
      if (++row == lines.size()) lines.emplace_back();
    } else if (!absl::ConsumePrefix(&bytes, "\r")) {
      lines[row].push_back(bytes.front());
      bytes.remove_prefix(1);
    }
  }
  return absl::StrJoin(lines, "\n");
}

}  // namespace strided::client

#endif  // STRIDED_TESTS_CLIENT_CPP_OUTPUT_SCREEN_H_
