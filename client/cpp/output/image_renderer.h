// Images: a PNG file per sample, a sheet of all, a preview while they are made.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_IMAGE_RENDERER_H_
#define STRIDED_CLIENT_CPP_OUTPUT_IMAGE_RENDERER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/media/palette.h"
#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/preview.h"
#include "client/cpp/output/renderer.h"

namespace strided::client {

struct ImageOutput {
  std::vector<std::unique_ptr<ByteSink>> files;  // of sample 0, 1, ...; empty: none is written
  std::unique_ptr<ByteSink> sheet;               // all samples in one image; may be null
  std::optional<Preview> preview;
  std::optional<Palette> palette;  // if set, tokens are numbers of its colours
};

// Pixels go where their position says, so a prompt's rows and an echo of them agree. What has not
// arrived when the stream ends is black; a sample of which nothing came is not written.
class ImageRenderer final : public Renderer {
 public:
  // `prompt` is the start of every sample, as it was sent. Internal where the layout of `started`
  // makes no image; InvalidArgument where a palette is given and a pixel has several channels.
  static absl::StatusOr<std::unique_ptr<ImageRenderer>> Create(const v1::Started& started,
                                                               const std::string& prompt,
                                                               ImageOutput output);

  // Use Create. `canvases` hold the prompt.
  ImageRenderer(std::vector<Canvas> canvases, ImageOutput output);

  // Unimplemented where the tokens are neither 8-bit channels nor a palette's.
  absl::Status Render(const v1::GenerateResponse& event) override;
  absl::Status End() override;

 private:
  absl::Status Place(const v1::Delta& delta);
  absl::Status WriteSample(size_t index);
  absl::Status WriteSheet();

  std::vector<Canvas> canvases_;
  std::vector<bool> arrived_;  // whether anything of the sample came
  std::vector<bool> written_;
  ImageOutput output_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_IMAGE_RENDERER_H_
