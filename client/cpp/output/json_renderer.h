// Events as JSON, one object a line, for programs that read standard output.
//
// Every object has "event": "started", "delta", "progress", "finished" or "summary"; the last line
// of a generation that ended well is the summary. Field names are those of sampling.proto; times
// are in seconds; a seed is a string, since it may have 64 bits. A delta has "tokens" (numbers),
// for text also "text": valid UTF-8, a character that is split between deltas comes with the later
// one.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_JSON_RENDERER_H_
#define STRIDED_CLIENT_CPP_OUTPUT_JSON_RENDERER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/renderer.h"
#include "client/cpp/output/utf8.h"

namespace strided::client {

class JsonRenderer final : public Renderer {
 public:
  // Writes `started`. `out` outlives this.
  static absl::StatusOr<std::unique_ptr<JsonRenderer>> Create(const v1::Started& started,
                                                              ByteSink* out);

  // Use Create.
  JsonRenderer(const v1::Started& started, ByteSink* out);

  absl::Status Render(const v1::GenerateResponse& event) override;
  absl::Status End() override { return absl::OkStatus(); }

 private:
  absl::Status RenderDelta(const v1::Delta& delta);
  absl::Status RenderFinished(const v1::Finished& finished);

  ByteSink* const out_;
  const bool is_text_;
  const bool is_pcm16_;
  std::vector<Utf8Joiner> joiners_;  // by sample
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_JSON_RENDERER_H_
