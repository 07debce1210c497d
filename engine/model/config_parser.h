// From the text of a config.json to a ModelConfig; the one place that checks it.

#ifndef STRIDED_ENGINE_MODEL_CONFIG_PARSER_H_
#define STRIDED_ENGINE_MODEL_CONFIG_PARSER_H_

#include <nlohmann/json_fwd.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/config.h"
#include "engine/model/json_object.h"

namespace strided {

// Limits of what is served. They bound memory and keep every product of sizes in an int64; the
// largest published Sparse Transformers are far below.
inline constexpr int kMaxVocabSize = 1 << 20;
inline constexpr int kMaxContextLength = 1 << 26;  // tokens
inline constexpr int kMaxLayers = 4096;
inline constexpr int kMaxWidth = 65536;           // d_model, d_key, d_value, heads * either
inline constexpr int kMaxFeedForward = 1 << 18;   // d_ff
inline constexpr int kMaxHeads = 1024;            // of one layer
inline constexpr int kMaxHeadsOfModel = 1 << 18;  // n_layer * n_head
inline constexpr int kMaxPositionAxes = 8;
inline constexpr int kMaxPositions = 1 << 30;  // product of position_axes
inline constexpr int kMaxConditions = 64;

// Reads each field once, in the order of config.h, and stops at the first that is wrong. Fields
// that depend on each other are compared when the later one is read. Use: Create, then Parse, once;
// not thread-safe.
class ConfigParser {
 public:
  // `document` must outlive this. InvalidArgument unless it is an object.
  static absl::StatusOr<ConfigParser> Create(const nlohmann::json* document);

  // The configuration, or InvalidArgument with the first field that is wrong.
  absl::StatusOr<ModelConfig> Parse() &&;

 private:
  explicit ConfigParser(JsonObject root) : root_(std::move(root)) {}

  // Each fills its part of `config_`; later ones use what earlier ones have checked.
  absl::Status ReadModality();
  absl::Status ReadSizes();
  absl::Status ReadArithmetic();
  absl::Status ReadPositions();
  absl::Status ReadImage();
  absl::Status ReadAudio();
  absl::Status ReadConditions();
  absl::Status ReadStartToken();
  absl::Status ReadEndToken();
  absl::StatusOr<Condition> ReadCondition(const nlohmann::json* value) const;

  // The field `name` of the document, an integer in [1, most].
  absl::StatusOr<int> Size(absl::string_view name, int most);

  JsonObject root_;
  ModelConfig config_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_CONFIG_PARSER_H_
