#include "client/cpp/command/generation_display.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/delta_tokens.h"
#include "client/cpp/output/audio_renderer.h"
#include "client/cpp/output/image_renderer.h"
#include "client/cpp/output/json.h"
#include "client/cpp/output/json_renderer.h"
#include "client/cpp/output/numbers.h"
#include "client/cpp/output/raw_renderer.h"
#include "client/cpp/output/text_renderer.h"

namespace strided::client {
namespace {

uint32_t SamplesOf(const v1::Started& started) {
  return std::max(1U, started.resolved().samples());
}

std::string WaitReason(const v1::Progress& progress, uint64_t prompt_tokens) {
  switch (progress.state()) {
    case v1::Progress::STATE_QUEUED:
      return absl::StrCat("waiting, ", progress.queue_position(), " ahead");
    case v1::Progress::STATE_PREFILLING:
      return absl::StrCat("reading the prompt, ", WithCommas(progress.prefilled_tokens()), "/",
                          WithCommas(prompt_tokens), " tokens");
    default:
      return "waiting";
  }
}

}  // namespace

GenerationDisplay::GenerationDisplay(OutputArguments arguments, std::string prompt,
                                     const Console& console)
    : arguments_(std::move(arguments)),
      prompt_(std::move(prompt)),
      console_(console),
      lines_(console.error, console.now) {}

absl::Status GenerationDisplay::Show(const v1::GenerateResponse& event) {
  if (event.has_started()) return Begin(event.started());
  if (event.has_finished()) last_finished_ = event.finished();
  if (event.has_summary()) complete_ = true;
  if (event.has_delta() && progress_stops_at_output_) {
    progress_->Hide();
    progress_stops_at_output_ = false;
    if (absl::Status status = lines_.Clear(); !status.ok()) return status;
  }
  for (const auto& renderer : renderers_) {
    if (absl::Status status = renderer->Render(event); !status.ok()) return status;
  }
  return ShowProgress(event);
}

absl::Status GenerationDisplay::End(absl::Status outcome) {
  // Who has closed our output wants to hear no more of it.
  const bool wanted = !arguments_.quiet && !arguments_.json && !IsClosedPipe(outcome);
  for (const auto& renderer : renderers_) outcome.Update(renderer->End());
  if (console_.error_terminal.interactive) outcome.Update(lines_.Clear());
  renderers_.clear();  // closes the files
  if (wanted && generated_tokens_ > 0) outcome.Update(console_.error->Write(ClosingLine()));
  return outcome;
}

absl::Status GenerationDisplay::Begin(const v1::Started& started) {
  started_ = started;
  const absl::StatusOr<Format> format = ChooseFormat(arguments_, started.modality());
  if (!format.ok()) return format.status();
  path_ = OutputPath(arguments_, started, *format);
  const bool live = console_.error_terminal.interactive;
  if (!arguments_.quiet) {
    const Progress::Place place = {.live = live ? &lines_ : nullptr,
                                   .plain = live ? nullptr : console_.error,
                                   .columns = console_.error_terminal.columns};
    progress_.emplace(place, console_.now);
    progress_stops_at_output_ = live && SharesTerminal(*format);
    const uint64_t samples = SamplesOf(started);
    if (started.resolved().has_max_new_tokens()) {
      progress_->SetTotal(samples * started.resolved().max_new_tokens());
    }
  }
  return AddRenderers(started, *format);
}

absl::Status GenerationDisplay::AddRenderers(const v1::Started& started, Format format) {
  if (arguments_.json) {
    auto json = JsonRenderer::Create(started, console_.out);
    if (!json.ok()) return json.status();
    renderers_.push_back(*std::move(json));
  }
  if (format == Format::kText) {
    renderers_.push_back(std::make_unique<TextRenderer>(
        console_.out, console_.out_terminal.interactive, SamplesOf(started)));
  }
  if (started.modality() != v1::MODALITY_IMAGE) {
    if (!arguments_.sheet.empty()) return UsageError("--sheet is for image models");
    if (!arguments_.clusters.empty()) return UsageError("--clusters is for image models");
  }
  std::vector<std::unique_ptr<ByteSink>> files;
  if (!path_.empty()) {
    auto opened = OpenSamples(path_, SamplesOf(started), console_.out);
    if (!opened.ok()) return opened.status();
    files = *std::move(opened);
  }
  if (format == Format::kRaw) {
    renderers_.push_back(std::make_unique<RawRenderer>(std::exchange(files, {})));
  }
  if (format == Format::kWav) {
    auto audio = AudioRenderer::Create(started, std::exchange(files, {}));
    if (!audio.ok()) return audio.status();
    renderers_.push_back(*std::move(audio));
  }
  if (started.modality() == v1::MODALITY_IMAGE) {
    auto image = MakeImageRenderer(started, std::move(files));
    if (!image.ok()) return image.status();
    renderers_.push_back(*std::move(image));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Renderer>> GenerationDisplay::MakeImageRenderer(
    const v1::Started& started, std::vector<std::unique_ptr<ByteSink>> files) {
  ImageOutput output;
  output.files = std::move(files);
  if (!arguments_.sheet.empty()) {
    auto sheet = FileSink::Create(arguments_.sheet);
    if (!sheet.ok()) return AsUsageError(sheet.status());
    output.sheet = *std::move(sheet);
  }
  if (!arguments_.clusters.empty()) {
    const absl::StatusOr<std::string> json = ReadInput(arguments_.clusters);
    if (!json.ok()) return AsUsageError(json.status());
    absl::StatusOr<Palette> palette = Palette::Parse(*json);
    if (!palette.ok()) return AsUsageError(palette.status());
    output.palette = *std::move(palette);
  }
  const Terminal& terminal = console_.error_terminal;
  const bool wanted = !arguments_.no_preview && !arguments_.quiet && !arguments_.json;
  if (wanted && terminal.interactive && terminal.colours != Colours::kNone) {
    output.preview.emplace(&lines_, terminal);
  }
  return ImageRenderer::Create(started, prompt_, std::move(output));
}

absl::Status GenerationDisplay::ShowProgress(const v1::GenerateResponse& event) {
  if (event.has_delta()) {
    const v1::Delta& delta = event.delta();
    const absl::StatusOr<uint64_t> count = CountTokens(delta, BytesPerToken(*started_));
    if (!count.ok()) return count.status();
    // An echo of the prompt is not progress.
    const uint64_t end = delta.first_position() + *count;
    const uint64_t prompt_tokens = started_->prompt_tokens();
    const uint64_t fresh = end > prompt_tokens ? std::min(*count, end - prompt_tokens) : 0;
    generated_tokens_ += fresh;
    return progress_.has_value() && fresh > 0 ? progress_->Add(fresh) : absl::OkStatus();
  }
  if (!event.has_progress() || !progress_.has_value()) return absl::OkStatus();
  return progress_->Wait(WaitReason(event.progress(), started_->prompt_tokens()));
}

std::string GenerationDisplay::ClosingLine() const {
  std::string line = absl::StrCat(WithCommas(generated_tokens_), " tokens");
  // Measured here: the server's times leave out what streams that broke have spent.
  const double rate = progress_.has_value() ? progress_->rate() : 0;
  if (rate > 0) absl::StrAppend(&line, ", ", ShortNumber(rate), " tokens/s");
  if (!complete_) absl::StrAppend(&line, ", incomplete");
  if (last_finished_.has_value() && SamplesOf(*started_) == 1) {
    absl::StrAppend(&line, ", ended by ", ShortName(last_finished_->reason(), "FINISH_REASON_"));
  }
  absl::StrAppend(&line, ", seed ", started_->resolved().seed());
  const uint32_t last = SamplesOf(*started_) - 1;
  if (!path_.empty() && path_ != "-") {
    absl::StrAppend(&line, ", wrote ", SamplePath(path_, 0, last + 1),
                    last > 0 ? absl::StrCat(" to ", SamplePath(path_, last, last + 1)) : "");
  }
  if (!arguments_.sheet.empty()) absl::StrAppend(&line, ", wrote ", arguments_.sheet);
  return absl::StrCat(line, "\n");
}

bool GenerationDisplay::SharesTerminal(Format format) const {
  const bool streams = arguments_.json || format == Format::kText || path_ == "-";
  return streams && console_.out_terminal.interactive;
}

}  // namespace strided::client
