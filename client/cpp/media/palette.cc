#include "client/cpp/media/palette.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

// Whether `colour` is three numbers from -1 to 1.
bool IsColour(const nlohmann::json& colour) {
  if (!colour.is_array() || colour.size() != 3) return false;
  for (const nlohmann::json& part : colour) {
    if (!part.is_number() || std::abs(part.get<double>()) > 1) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<Palette> Palette::Parse(absl::string_view json) {
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  const bool has_list = parsed.is_object() && parsed.contains("clusters") &&
                        parsed["clusters"].is_array() && !parsed["clusters"].empty();
  if (!has_list) return absl::InvalidArgumentError("clusters: no such list in the JSON");
  std::vector<Colour> colours;
  for (const nlohmann::json& cluster : parsed["clusters"]) {
    if (!IsColour(cluster)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "clusters[", colours.size(), "]: must be three numbers from -1 to 1 (red, green, blue)"));
    }
    Colour& colour = colours.emplace_back();
    for (size_t i = 0; i < colour.size(); ++i) {
      // As transformers' ImageGPTImageProcessor scales an image, backwards.
      const double level = std::nearbyint(127.5 * (cluster[i].get<double>() + 1));
      colour[i] = static_cast<char>(static_cast<uint8_t>(level));
    }
  }
  return Palette(std::move(colours));
}

absl::StatusOr<std::string> Palette::Paint(std::span<const uint32_t> tokens) const {
  std::string painted;
  painted.reserve(3 * tokens.size());
  for (const uint32_t token : tokens) {
    if (token >= colours_.size()) {
      return absl::OutOfRangeError(absl::StrCat(
          "token ", token, " has no colour: the clusters are ", colours_.size(), ", from 0"));
    }
    painted.append(colours_[token].begin(), colours_[token].end());
  }
  return painted;
}

}  // namespace strided::client
