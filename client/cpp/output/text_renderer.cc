#include "client/cpp/output/text_renderer.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace strided::client {

const std::string& TextOf(const v1::Delta& delta) {
  return delta.has_ids() ? delta.text() : delta.raw();
}

TextRenderer::TextRenderer(ByteSink* out, bool on_terminal, uint32_t samples)
    : out_(out), on_terminal_(on_terminal), samples_(samples) {}

absl::Status TextRenderer::Render(const v1::GenerateResponse& event) {
  const uint32_t index =
      event.has_delta() ? event.delta().sample_index() : event.finished().sample_index();
  if (index >= samples_.size()) return absl::OkStatus();
  if (event.has_delta()) samples_[index].waiting += TextOf(event.delta());
  if (event.has_finished()) {
    samples_[index].waiting += event.finished().text_before_stop();
    samples_[index].finished = true;
  }
  return event.has_delta() || event.has_finished() ? Advance() : absl::OkStatus();
}

absl::Status TextRenderer::End() {
  // A broken stream leaves samples unfinished; what has come of them is still shown.
  for (Sample& sample : samples_) sample.finished = true;
  return Advance();
}

absl::Status TextRenderer::Advance() {
  for (; current_ < samples_.size(); ++current_, headed_ = false) {
    Sample& sample = samples_[current_];
    if (!headed_ && samples_.size() > 1) {
      if (sample.waiting.empty() && !sample.finished) return absl::OkStatus();
      absl::Status status = out_->Write(absl::StrCat("--- sample ", current_, " ---\n"));
      if (!status.ok()) return status;
      headed_ = true;
    }
    absl::Status status = Write(std::exchange(sample.waiting, {}));
    if (!status.ok() || !sample.finished) return status;
    if (status = CloseSample(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TextRenderer::Write(const std::string& bytes) {
  const std::string shown = on_terminal_ ? WithoutControls(joiner_.Add(bytes)) : bytes;
  if (shown.empty()) return absl::OkStatus();
  at_line_start_ = shown.back() == '\n';
  return out_->Write(shown);
}

absl::Status TextRenderer::CloseSample() {
  if (on_terminal_) {
    const std::string rest = joiner_.Finish();
    if (!rest.empty()) at_line_start_ = false;
    if (absl::Status status = out_->Write(rest); !status.ok()) return status;
  }
  const bool wants_newline = !at_line_start_ && (on_terminal_ || samples_.size() > 1);
  at_line_start_ = true;
  return wants_newline ? out_->Write("\n") : absl::OkStatus();
}

}  // namespace strided::client
