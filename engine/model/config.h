// What a model is, apart from its weights: the contents of config.json.

#ifndef STRIDED_ENGINE_MODEL_CONFIG_H_
#define STRIDED_ENGINE_MODEL_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/attention_pattern.h"

namespace strided {

enum class Modality { kText, kImage, kAudio };
enum class AudioEncoding { kMulaw, kLinear8 };
enum class Activation { kQuickGelu, kGelu, kGeluTanh, kRelu };
enum class AttentionScale { kInverseSqrt, kNone };

// How the input of step t is made from the token before it and a position.
enum class PositionRule {
  kPrevious,  // input t = E[x(t-1)] + P(t-1); the start vector has no position
  kCurrent,   // input t = (start or E[x(t-1)]) + P(t)
};

struct ImageShape {  // pixels in raster order, channels innermost
  int height = 0;
  int width = 0;
  int channels = 0;
};

struct AudioFormat {
  int sample_rate_hz = 0;
  AudioEncoding encoding = AudioEncoding::kMulaw;
};

// The start vector is the sum of one row per condition; row 0 unless the request says.
struct Condition {
  std::string name;
  int values = 0;  // rows of its table
};

// Immutable after loading. Sizes are counts unless said.
struct ModelConfig {
  Modality modality = Modality::kText;
  std::optional<ImageShape> image;   // exactly for images
  std::optional<AudioFormat> audio;  // exactly for audio
  int vocab_size = 0;
  int context_length = 0;  // n, tokens
  int n_layer = 0;
  int n_head = 0;
  int d_model = 0;
  int d_ff = 0;
  int d_key = 0;    // width of one head's query and key
  int d_value = 0;  // width of one head's value
  Activation activation = Activation::kQuickGelu;
  double norm_epsilon = 0;
  std::optional<double> final_norm_epsilon;  // none: the model has no final norm
  AttentionScale attention_scale = AttentionScale::kInverseSqrt;
  std::vector<int> position_axes;  // learned tables, C order; their product >= context_length
  PositionRule position_rule = PositionRule::kPrevious;
  // [n_layer][n_head], the cycled list of config.json written out.
  std::vector<std::vector<AttentionPattern>> attention;
  std::vector<Condition> conditions;  // empty: one unconditional start vector
  bool tied_head = false;             // the output matrix is the token embedding
  bool head_bias = false;

  // Parses and checks the text of a config.json; `source` names it in errors. InvalidArgument
  // with the field, what was found and what was expected: unknown fields and values too.
  static absl::StatusOr<ModelConfig> FromJson(absl::string_view text, absl::string_view source);
  // As FromJson; NotFound where the file does not exist.
  static absl::StatusOr<ModelConfig> Load(const std::string& path);

  // The row of each position table that `position` uses: its coordinates on position_axes.
  std::vector<int> PositionCoordinates(int position) const;
};

absl::string_view ModalityName(Modality modality);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_CONFIG_H_
