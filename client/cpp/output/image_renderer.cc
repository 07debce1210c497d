#include "client/cpp/output/image_renderer.h"

#include <algorithm>
#include <cstdint>
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

// The samples of `delta`'s pixels: its bytes, or its tokens' colours.
absl::StatusOr<std::string> SamplesOf(const v1::Delta& delta,
                                      const std::optional<Palette>& palette) {
  if (!palette.has_value()) {
    if (!delta.has_ids()) return delta.raw();
    return absl::UnimplementedError(
        "this model's tokens are not 8-bit channels; --clusters FILE draws those of Image GPT, "
        "--json gives them");
  }
  if (delta.has_ids()) {
    const auto& ids = delta.ids().ids();
    return palette->Paint(std::vector<uint32_t>(ids.begin(), ids.end()));
  }
  const auto* const bytes = reinterpret_cast<const uint8_t*>(delta.raw().data());
  return palette->Paint(std::vector<uint32_t>(bytes, bytes + delta.raw().size()));
}

absl::Status WritePng(const Image& image, ByteSink* file) {
  absl::StatusOr<std::string> bytes = EncodePng(image);
  return bytes.ok() ? file->Write(*bytes) : bytes.status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageRenderer>> ImageRenderer::Create(const v1::Started& started,
                                                                     const std::string& prompt,
                                                                     ImageOutput output) {
  v1::ImageLayout layout = started.image();
  v1::Delta before;
  before.set_raw(prompt);
  const absl::StatusOr<std::string> samples = SamplesOf(before, output.palette);
  if (!samples.ok()) return samples.status();
  if (output.palette.has_value()) {
    if (layout.channels() != 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "clusters are for models of one token a pixel; this one has ", layout.channels()));
    }
    layout.set_channels(3);
  }
  absl::StatusOr<Image> blank = BlankOf(layout);
  if (!blank.ok()) return blank.status();
  Canvas canvas = {.image = *std::move(blank)};
  canvas.known = std::min(samples->size(), canvas.image.samples.size());
  std::copy_n(samples->begin(), canvas.known, canvas.image.samples.begin());
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
  const absl::StatusOr<std::string> samples = SamplesOf(delta, output_.palette);
  if (!samples.ok()) return samples.status();
  if (delta.sample_index() >= canvases_.size()) return absl::OkStatus();
  Canvas& canvas = canvases_[delta.sample_index()];
  const size_t size = canvas.image.samples.size();
  const uint64_t samples_per_token = output_.palette.has_value() ? 3 : 1;
  const uint64_t most = size / samples_per_token;  // tokens
  if (delta.first_position() > most ||
      samples->size() / samples_per_token > most - delta.first_position()) {
    return absl::InternalError(absl::StrCat(
        "the server sent pixels up to position ",
        delta.first_position() + samples->size() / samples_per_token, " of an image of ", most));
  }
  const uint64_t first = delta.first_position() * samples_per_token;
  std::copy(samples->begin(), samples->end(),
            canvas.image.samples.begin() + static_cast<ptrdiff_t>(first));
  canvas.known = std::max<size_t>(canvas.known, first + samples->size());
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
