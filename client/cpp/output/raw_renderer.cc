#include "client/cpp/output/raw_renderer.h"

#include "client/cpp/output/text_renderer.h"

namespace strided::client {

absl::Status RawRenderer::Render(const v1::GenerateResponse& event) {
  if (!event.has_delta() || event.delta().sample_index() >= files_.size()) return absl::OkStatus();
  return files_[event.delta().sample_index()]->Write(TextOf(event.delta()));
}

}  // namespace strided::client
