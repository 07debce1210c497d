#include "client/cpp/output/image_renderer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/media/contact_sheet.h"
#include "client/cpp/media/png.h"

namespace strided::client {
namespace {

constexpr uint64_t kMostSamples = uint64_t{1} << 28;  // of pixels; more is no image model's

absl::StatusOr<Image> BlankOf(const v1::ImageLayout& layout) {
  const uint64_t area = uint64_t{layout.height()} * layout.width();
  const bool sane = area > 0 && layout.channels() >= 1 && layout.channels() <= 4 &&
                    area <= kMostSamples / layout.channels();
  if (!sane) {
    return absl::InternalError(absl::StrCat("the server describes an image of ", layout.width(),
                                            " x ", layout.height(), " with ", layout.channels(),
                                            " channels"));
  }
  return BlackImage(static_cast<int>(layout.height()), static_cast<int>(layout.width()),
                    static_cast<int>(layout.channels()));
}

absl::Status WritePng(const Image& image, ByteSink* file) {
  absl::StatusOr<std::string> bytes = EncodePng(image);
  return bytes.ok() ? file->Write(*bytes) : bytes.status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageRenderer>> ImageRenderer::Create(const v1::Started& started,
                                                                     const std::string& prompt,
                                                                     ImageOutput output) {
  absl::StatusOr<Image> blank = BlankOf(started.image());
  if (!blank.ok()) return blank.status();
  Canvas canvas = {.image = *std::move(blank)};
  canvas.known = std::min(prompt.size(), canvas.image.samples.size());
  std::copy_n(prompt.begin(), canvas.known, canvas.image.samples.begin());
  auto renderer = std::make_unique<ImageRenderer>(
      std::vector<Canvas>(std::max(1U, started.resolved().samples()), canvas), std::move(output));
  if (renderer->output_.preview.has_value()) {
    absl::Status status = renderer->output_.preview->Update(renderer->canvases_);
    if (!status.ok()) return status;
  }
  return renderer;
}

ImageRenderer::ImageRenderer(std::vector<Canvas> canvases, ImageOutput output)
    : canvases_(std::move(canvases)),
      arrived_(canvases_.size()),
      written_(canvases_.size()),
      output_(std::move(output)) {}

absl::Status ImageRenderer::Render(const v1::GenerateResponse& event) {
  if (event.has_delta()) {
    if (absl::Status status = Place(event.delta()); !status.ok()) return status;
    if (output_.preview.has_value()) return output_.preview->Update(canvases_);
  }
  if (event.has_finished()) return WriteSample(event.finished().sample_index());
  return absl::OkStatus();
}

absl::Status ImageRenderer::End() {
  if (output_.preview.has_value()) {
    if (absl::Status status = output_.preview->End(canvases_); !status.ok()) return status;
  }
  for (size_t i = 0; i < canvases_.size(); ++i) {
    if (absl::Status status = WriteSample(i); !status.ok()) return status;
  }
  return WriteSheet();
}

absl::Status ImageRenderer::Place(const v1::Delta& delta) {
  if (delta.has_ids()) {
    return absl::UnimplementedError(
        "this model's tokens are not 8-bit channels and cannot be drawn; --json gives them");
  }
  if (delta.sample_index() >= canvases_.size()) return absl::OkStatus();
  Canvas& canvas = canvases_[delta.sample_index()];
  const size_t size = canvas.image.samples.size();
  if (delta.first_position() > size || delta.raw().size() > size - delta.first_position()) {
    return absl::InternalError(absl::StrCat("the server sent pixels up to position ",
                                            delta.first_position() + delta.raw().size(),
                                            " of an image of ", size));
  }
  std::copy(delta.raw().begin(), delta.raw().end(),
            canvas.image.samples.begin() + static_cast<ptrdiff_t>(delta.first_position()));
  canvas.known = std::max<size_t>(canvas.known, delta.first_position() + delta.raw().size());
  arrived_[delta.sample_index()] = true;
  return absl::OkStatus();
}

absl::Status ImageRenderer::WriteSample(size_t index) {
  if (index >= output_.files.size() || !arrived_[index] || written_[index]) return absl::OkStatus();
  written_[index] = true;
  return WritePng(canvases_[index].image, output_.files[index].get());
}

absl::Status ImageRenderer::WriteSheet() {
  const bool any = std::find(arrived_.begin(), arrived_.end(), true) != arrived_.end();
  if (output_.sheet == nullptr || !any) return absl::OkStatus();
  std::vector<Image> images;
  for (const Canvas& canvas : canvases_) images.push_back(canvas.image);
  return WritePng(ContactSheet(images), output_.sheet.get());
}

}  // namespace strided::client
