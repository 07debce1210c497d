#include "client/cpp/output/raw_renderer.h"

#include "client/cpp/output/text_renderer.h"

namespace strided::client {

absl::Status RawRenderer::Render(const v1::GenerateResponse& event) {
  if (event.has_delta() && event.delta().sample_index() < files_.size()) {
    return files_[event.delta().sample_index()]->Write(TextOf(event.delta()));
  }
  const v1::Finished& finished = event.finished();  // empty where the event is another
  if (finished.text_before_stop().empty() || finished.sample_index() >= files_.size()) {
    return absl::OkStatus();
  }
  return files_[finished.sample_index()]->Write(finished.text_before_stop());
}

}  // namespace strided::client
