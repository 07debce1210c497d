#include "engine/checkpoint/model_directory.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/hugging_face_config.h"
#include "engine/checkpoint/hugging_face_files.h"
#include "engine/model/strict_json.h"

namespace strided {
namespace {

constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

// A config.json, and what it was translated from if that is not ours.
struct ReadConfig {
  std::string text;  // ours
  ModelConfig config;
  std::optional<HuggingFaceConfig> foreign;
};

absl::StatusOr<ReadConfig> Read(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/config.json");
  ASSIGN_OR_RETURN(std::string text, ReadSmallFile(path, kMaxConfigBytes));
  if (IsHuggingFaceConfig(text)) {
    ASSIGN_OR_RETURN(HuggingFaceConfig foreign, ParseHuggingFaceConfig(text, path));
    return ReadConfig{foreign.text, foreign.config, std::move(foreign)};
  }
  ASSIGN_OR_RETURN(ModelConfig config, ModelConfig::FromJson(text, path));
  return ReadConfig{std::move(text), std::move(config), std::nullopt};
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& directory) {
  ASSIGN_OR_RETURN(ReadConfig read, Read(directory));
  return std::move(read.config);
}

absl::StatusOr<ModelDirectory> ReadModelDirectory(const std::string& directory) {
  ASSIGN_OR_RETURN(ReadConfig read, Read(directory));
  ASSIGN_OR_RETURN(const nlohmann::json document, ParseStrictJson(read.text));
  ASSIGN_OR_RETURN(Weights weights, read.foreign.has_value()
                                        ? LoadHuggingFaceWeights(directory, *read.foreign)
                                        : Weights::Load(directory, read.config));
  return ModelDirectory{.config = std::move(read.config),
                        .config_text = document.dump(),
                        .weights = std::move(weights)};
}

}  // namespace strided
