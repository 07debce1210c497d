// Every sample's bytes in a file of its own, as they come.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_RAW_RENDERER_H_
#define STRIDED_CLIENT_CPP_OUTPUT_RAW_RENDERER_H_

#include <memory>
#include <utility>
#include <vector>

#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/renderer.h"

namespace strided::client {

// Text as bytes, pixels, audio codes or 16-bit samples: whatever the stream carries, unchanged. Of
// models with ids the text they spell.
class RawRenderer final : public Renderer {
 public:
  // files[i] takes sample i.
  explicit RawRenderer(std::vector<std::unique_ptr<ByteSink>> files) : files_(std::move(files)) {}

  // Writes a Delta's bytes at once, to the file of its sample; other events have none.
  absl::Status Render(const v1::GenerateResponse& event) override;
  absl::Status End() override { return absl::OkStatus(); }

 private:
  const std::vector<std::unique_ptr<ByteSink>> files_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_RAW_RENDERER_H_
