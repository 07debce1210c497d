// UTF-8 that arrives in pieces, from a model that may write anything.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_UTF8_H_
#define STRIDED_CLIENT_CPP_OUTPUT_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace strided::client {

// Makes valid UTF-8 of any bytes: what cannot be a character becomes U+FFFD, one per byte. A
// character that ends in a later piece is kept until then.
class Utf8Joiner {
 public:
  // The characters that are complete now.
  std::string Add(absl::string_view bytes);
  // What is left of the last one, which will never be complete.
  std::string Finish();

 private:
  std::string pending_;  // at most 3 bytes, the start of a character
};

// `text`, valid UTF-8, fit for a terminal: control characters other than newline and tab are shown
// as their symbols (escape as U+241B), so that no text can move the cursor or change the title.
std::string WithoutControls(absl::string_view text);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_UTF8_H_
