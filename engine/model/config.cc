#include "engine/model/config.h"

#include <cassert>
#include <cstddef>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "engine/base/status_macros.h"
#include "engine/model/config_parser.h"
#include "engine/model/strict_json.h"

namespace strided {
namespace {

// Far above any real one; a file that is not a config.json is refused before it is read.
constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

absl::StatusOr<ModelConfig> Parse(const nlohmann::json& document) {
  ASSIGN_OR_RETURN(ConfigParser parser, ConfigParser::Create(&document));
  return std::move(parser).Parse();
}

}  // namespace

absl::StatusOr<ModelConfig> ModelConfig::FromJson(absl::string_view text,
                                                  absl::string_view source) {
  const absl::StatusOr<nlohmann::json> document = ParseStrictJson(text);
  if (!document.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(source, " ", document.status().message()));
  }
  absl::StatusOr<ModelConfig> config = Parse(*document);
  if (config.ok()) return config;
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", config.status().message()));
}

absl::StatusOr<ModelConfig> ModelConfig::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxConfigBytes));
  return FromJson(text, path);
}

std::vector<int> ModelConfig::PositionCoordinates(int position) const {
  assert(0 <= position && position < context_length);
  std::vector<int> coordinates(position_axes.size());
  for (size_t axis = position_axes.size(); axis-- > 0;) {
    coordinates[axis] = position % position_axes[axis];
    position /= position_axes[axis];
  }
  return coordinates;
}

absl::string_view ModalityName(Modality modality) {
  switch (modality) {
    case Modality::kText:
      return "text";
    case Modality::kImage:
      return "image";
    case Modality::kAudio:
      return "audio";
  }
  return "";
}

}  // namespace strided
