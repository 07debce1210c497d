// How a sequence grows beyond a model's context: window by window, each of which begins with the
// last tokens of the one before.
//
//   |<---------- context ---------->|
//   [ prompt |       new            ]
//             [   last tokens  | new   ]
//                         hop -->[  last tokens   | new   ]

#ifndef STRIDED_CLIENT_CPP_WINDOW_PLAN_H_
#define STRIDED_CLIENT_CPP_WINDOW_PLAN_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "strided/v1/models.pb.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// What the caller wants.
struct WindowOptions {
  uint64_t length = 0;                         // new tokens of each sample, 1 to 2^32 - 1
  std::optional<uint64_t> hop = std::nullopt;  // tokens, 1 to context - 1; unset: half the context
};

// What it comes to. All in tokens.
struct WindowPlan {
  uint64_t context = 0;  // that a window fills, but for the last
  uint64_t hop = 0;      // new ones of every window after the first
  uint64_t length = 0;   // new ones of all windows together

  // What a window after the first begins with.
  uint64_t kept() const { return context - hop; }
  // What the first window reads of a prompt: all of it, or as much as any other window keeps where
  // it would leave no room for a new token.
  uint64_t FirstPrompt(uint64_t prompt_tokens) const {
    return prompt_tokens < context ? prompt_tokens : kept();
  }
};

// The plan for `request`, in which the length stands instead of max_new_tokens. InvalidArgument
// where an option is out of its range, and for what cannot go on in another window: images, a
// resume, and, unless all fits into one window, stop sequences of several tokens, which no window
// would find where they lie in two.
absl::StatusOr<WindowPlan> PlanWindows(const v1::Model& model, const v1::GenerateRequest& request,
                                       const WindowOptions& options);

// The seed of window 0, 1, ...: `seed` itself, then numbers mixed from both. Windows draw at the
// same positions, so with one seed they would draw with the same random numbers.
uint64_t WindowSeed(uint64_t seed, uint64_t window);

// Tokens in `sequence`; one for each raw byte.
uint64_t TokensIn(const v1::Sequence& sequence);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_WINDOW_PLAN_H_
