// Cuts text into the pieces that byte-pair merges never cross.
//
// The pattern of GPT-2's encoder.py (Radford et al. 2019, section 2.2):
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// with Unicode's letters, numbers and white space, in time linear in the text.

#ifndef STRIDED_ENGINE_TEXT_PRE_TOKENIZER_H_
#define STRIDED_ENGINE_TEXT_PRE_TOKENIZER_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace strided {

// Calls `piece` with the pieces of `text`, in order; together they are the text. Stops at the first
// that is not OK, which it returns. Requires valid UTF-8. Thread-safe.
absl::Status ForEachPiece(absl::string_view text,
                          absl::FunctionRef<absl::Status(absl::string_view)> piece);

}  // namespace strided

#endif  // STRIDED_ENGINE_TEXT_PRE_TOKENIZER_H_
