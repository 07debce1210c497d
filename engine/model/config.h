// What a model is, apart from its weights: the contents of config.json.
//
// Child et al. 2019, sections 5.2 and 5.3: a decoder of pre-norm residual blocks whose attention
// reads what attention_pattern.h says. The input of a step is a token's embedding plus learned
// positions; a layer, with h the residual stream [d_model], and the output are
//   h += O attend(norm(h)),  h += down(f(up(norm(h)))),  logits = head(final_norm(h)).

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

// What the tokens stand for; the arithmetic is the same.
enum class Modality { kText, kImage, kAudio };

// How a token of [0, 256) stands for a sample of [-1, 1].
enum class AudioEncoding {
  kMulaw,    // logarithmic, mu = 255
  kLinear8,  // equal steps
};

// f, between the two matrices of the MLP (section 5.2).
enum class Activation {
  kQuickGelu,  // x sigmoid(1.702 x), the paper's
  kGelu,       // x Phi(x), by erf
  kGeluTanh,   // x Phi(x), by its tanh approximation
  kRelu,       // max(x, 0)
};

// What is done to a row before its products (section 5.2).
enum class Norm {
  kLayer,  // (x - mean) / sqrt(variance + epsilon) * weight + bias
  kScale,  // x / sqrt(mean of squares + epsilon) * weight: Image GPT's, without mean and bias
};

// What a query's products with its keys are multiplied by.
enum class AttentionScale {
  kInverseSqrt,  // 1 / sqrt(d_key)
  kNone,         // 1
};

// How the input of step t is made from the token before it and a position.
enum class PositionRule {
  kPrevious,  // input t = E[x(t-1)] + P(t-1); the start vector has no position
  kCurrent,   // input t = (start or E[x(t-1)]) + P(t)
};

// Pixels in raster order, channels innermost; the product is the context length.
struct ImageShape {
  int height = 0;    // pixels, [1, 65536]
  int width = 0;     // pixels, [1, 65536]
  int channels = 0;  // tokens of a pixel, [1, 4]
};

struct AudioFormat {
  int sample_rate_hz = 0;  // [1, 768000]
  AudioEncoding encoding = AudioEncoding::kMulaw;
};

// The start vector is the sum of one row per condition; row 0 unless the request says.
struct Condition {
  std::string name;  // 1 to 64 of a-z, 0-9, _
  int values = 0;    // rows of its table, [1, 2^20]
  // What people call the values, in their order; empty where they have no names. 1 to 64 bytes of
  // printable ASCII each, no two equal, none a whole number, so that a label is never taken for
  // one.
  std::vector<std::string> labels = {};
};

// Immutable after loading, so safe to share between threads. Sizes are counts unless said. The
// ranges are those that FromJson checks (config_parser.h has the names of the limits).
struct ModelConfig {
  Modality modality = Modality::kText;
  std::optional<ImageShape> image;   // exactly for images
  std::optional<AudioFormat> audio;  // exactly for audio
  int vocab_size = 0;                // [1, 2^20]; audio at most 256
  int context_length = 0;            // n, tokens, [1, 2^26]
  int n_layer = 0;                   // [1, 4096]
  int n_head = 0;                    // of one layer, [1, 1024]
  int d_model = 0;                   // width of the residual stream, [1, 2^16]
  int d_ff = 0;                      // width between the matrices of the MLP, [1, 2^18]
  int d_key = 0;                     // width of one head's query and key; heads * d_key <= 2^16
  int d_value = 0;                   // width of one head's value; heads * d_value <= 2^16
  Activation activation = Activation::kQuickGelu;
  Norm norm = Norm::kLayer;
  double norm_epsilon = 0;                   // (0, 1]; added to the variance of a layer's norms
  std::optional<double> final_norm_epsilon;  // (0, 1]; none: the model has no final norm
  AttentionScale attention_scale = AttentionScale::kInverseSqrt;
  std::vector<int> position_axes;  // learned tables, C order, 1 to 8; n <= product <= 2^30
  PositionRule position_rule = PositionRule::kPrevious;
  // False: step 0 reads a token as every other step does (step.h), a prompt's first or, where a
  // request brings none, `start_token`. The position rule is then kCurrent, without conditions.
  bool has_start_vector = true;
  std::optional<int> start_token;  // [0, vocab_size); none: every request brings a prompt
  std::optional<int> end_token;    // [0, vocab_size); a sequence ends when it is drawn
  // [n_layer][n_head], the cycled list of config.json written out.
  std::vector<std::vector<AttentionPattern>> attention;
  std::vector<Condition> conditions;  // at most 64; empty: one unconditional start vector
  bool tied_head = false;             // the output matrix is the token embedding
  bool head_bias = false;
  // The activation function's values differ so much in size that a row of them loses what matters
  // when it is rounded to 8 bits: executors that round products' inputs must not round these.
  bool wide_hidden = false;

  // Parses and checks the text of a config.json; `source` names it in errors. InvalidArgument
  // with the field, what was found and what was expected: unknown fields and values too.
  static absl::StatusOr<ModelConfig> FromJson(absl::string_view text, absl::string_view source);
  // As FromJson; NotFound where the file does not exist.
  static absl::StatusOr<ModelConfig> Load(const std::string& path);

  // The row of each position table that `position` uses: its coordinates on position_axes, whose
  // rows are summed. Requires 0 <= position < context_length.
  std::vector<int> PositionCoordinates(int position) const;
};

// The name in config.json, e.g. "text".
absl::string_view ModalityName(Modality modality);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_CONFIG_H_
