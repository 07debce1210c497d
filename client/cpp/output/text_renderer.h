// Text on standard output, as it comes.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_TEXT_RENDERER_H_
#define STRIDED_CLIENT_CPP_OUTPUT_TEXT_RENDERER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/renderer.h"
#include "client/cpp/output/utf8.h"

namespace strided::client {

// The text of a Delta: its bytes, or what its ids spell.
const std::string& TextOf(const v1::Delta& delta);

// One sample streams through; of several, the first that has not ended does, each under a heading
// of its own, and the others wait in memory for their turn. On a terminal, bytes that are no
// character and characters that steer the terminal are made visible; elsewhere one sample's bytes
// are exactly the model's.
class TextRenderer final : public Renderer {
 public:
  // `out` outlives this. `on_terminal`: whether it may be steered by what is written. Requires
  // samples >= 1.
  TextRenderer(ByteSink* out, bool on_terminal, uint32_t samples);

  absl::Status Render(const v1::GenerateResponse& event) override;
  absl::Status End() override;

 private:
  struct Sample {
    std::string waiting;
    bool finished = false;
  };

  absl::Status Advance();  // writes what may be written of the current sample, and goes on
  absl::Status Write(const std::string& bytes);
  absl::Status CloseSample();

  ByteSink* const out_;
  const bool on_terminal_;
  std::vector<Sample> samples_;
  size_t current_ = 0;   // the sample that streams
  bool headed_ = false;  // whether its heading is written
  bool at_line_start_ = true;
  Utf8Joiner joiner_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_TEXT_RENDERER_H_
