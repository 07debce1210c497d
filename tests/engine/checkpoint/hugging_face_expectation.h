// What transformers' classes say of a Hugging Face directory, for the executor of any device.

#ifndef STRIDED_TESTS_ENGINE_CHECKPOINT_HUGGING_FACE_EXPECTATION_H_
#define STRIDED_TESTS_ENGINE_CHECKPOINT_HUGGING_FACE_EXPECTATION_H_

#include <string>

#include "absl/strings/string_view.h"
#include "engine/executor.h"

namespace strided {

// One folder for each family, with expected.json as hugging_face_models.py writes it.
inline constexpr absl::string_view kStoredHuggingFace = "tests/engine/checkpoint/hugging_face";

// Fails where a natural log-probability differs from `directory`/expected.json by more than
// `tolerance`, or where drawing by the largest logit goes on from its prompt in another way. The
// first `prompt_length` of the scored tokens are a prompt.
void ExpectWhatTransformersSaid(const std::string& directory, Executor& executor, double tolerance,
                                int prompt_length = 0);

}  // namespace strided

#endif  // STRIDED_TESTS_ENGINE_CHECKPOINT_HUGGING_FACE_EXPECTATION_H_
