#include "client/cpp/command/score_windows.h"

#include <algorithm>

namespace strided::client {

std::vector<ScoreWindow> CoverWithWindows(size_t length, size_t window, size_t overlap) {
  std::vector<ScoreWindow> windows;
  size_t scored = 0;
  while (scored < length) {
    const size_t context = windows.empty() ? 0 : overlap;
    const size_t begin = scored - context;
    windows.push_back({begin, std::min(length, begin + window), context});
    scored = windows.back().end;
  }
  return windows;
}

}  // namespace strided::client
