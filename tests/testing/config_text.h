// Small valid configurations, with what a test is about written out.
//
//   const ModelConfig config = SmallConfig(R"({"n_layer": 1, "attention": [{"pattern":
//   "dense"}]})");

#ifndef STRIDED_TESTS_TESTING_CONFIG_TEXT_H_
#define STRIDED_TESTS_TESTING_CONFIG_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "engine/model/config.h"

namespace strided {

// The text of a config.json: a text model of 2 layers, 2 heads, d_model 8, vocabulary 16, context
// 24, local then fixed attention. Each field of `overrides`, a JSON object, replaces the one of
// that name, or is added.
std::string SmallConfigText(absl::string_view overrides = "{}");

// As SmallConfigText, without the field `name`.
std::string SmallConfigTextWithout(absl::string_view name);

// The configuration of SmallConfigText(overrides). Aborts with the status if that is not valid.
ModelConfig SmallConfig(absl::string_view overrides = "{}");

// A config.json that reads as `config`, every field and every head's pattern written out.
std::string ConfigText(const ModelConfig& config);

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_CONFIG_TEXT_H_
