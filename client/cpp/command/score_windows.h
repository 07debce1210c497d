// A long sequence as overlapping windows that a model's context holds.

#ifndef STRIDED_CLIENT_CPP_COMMAND_SCORE_WINDOWS_H_
#define STRIDED_CLIENT_CPP_COMMAND_SCORE_WINDOWS_H_

#include <cstddef>
#include <vector>

namespace strided::client {

// The tokens [begin, end) of a sequence are sent; those from begin + score_from on are counted.
struct ScoreWindow {
  size_t begin = 0;
  size_t end = 0;
  size_t score_from = 0;  // tokens that are context only

  size_t scored() const { return end - begin - score_from; }
};

// Windows of `window` tokens (the last may be shorter), each of which after the first begins with
// the last `overlap` tokens of the one before as context: every position of `length` is counted
// exactly once, in order. Requires overlap < window.
std::vector<ScoreWindow> CoverWithWindows(size_t length, size_t window, size_t overlap);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_SCORE_WINDOWS_H_
