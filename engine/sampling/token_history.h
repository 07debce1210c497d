// Which tokens a sequence has held so far, and the penalties that follow from it.

#ifndef STRIDED_ENGINE_SAMPLING_TOKEN_HISTORY_H_
#define STRIDED_ENGINE_SAMPLING_TOKEN_HISTORY_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling/parameters.h"

namespace strided {

// Not thread-safe. Takes 8 bytes per vocabulary entry and allocates nothing after construction.
class TokenHistory {
 public:
  // Tokens at positions below `prompt_length` count as prompt, later ones as generated.
  TokenHistory(int vocab_size, int prompt_length);

  // x(position) = token. Each position once, in order. Requires 0 <= token < vocab_size.
  void Observe(int position, int32_t token);

  // Makes the logits [vocab_size] of what has been seen Penalised.
  void Penalise(const SamplingParameters& parameters, std::span<float> logits) const;

 private:
  int prompt_length_;
  std::vector<int32_t> generated_;  // [vocab] occurrences after the prompt; kUnseen: in neither
  std::vector<int32_t> seen_;       // ids, in order of first appearance
};

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_TOKEN_HISTORY_H_
