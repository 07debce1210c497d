#include "client/cpp/command/output_choice.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/output/json.h"

namespace strided::client {
namespace {

// Hands on to a sink that it does not own.
class SharedSink final : public ByteSink {
 public:
  explicit SharedSink(ByteSink* sink) : sink_(sink) {}
  absl::Status Write(absl::string_view bytes) override { return sink_->Write(bytes); }
  absl::StatusOr<bool> Overwrite(uint64_t offset, absl::string_view bytes) override {
    return sink_->Overwrite(offset, bytes);
  }

 private:
  ByteSink* const sink_;
};

// kNone where no file format belongs to the modality.
Format FileFormatOf(v1::Modality modality) {
  if (modality == v1::MODALITY_IMAGE) return Format::kPng;
  if (modality == v1::MODALITY_AUDIO) return Format::kWav;
  return Format::kNone;
}

absl::string_view ExtensionOf(Format format) { return format == Format::kPng ? ".png" : ".wav"; }

}  // namespace

absl::StatusOr<Format> ChooseFormat(const OutputArguments& arguments, v1::Modality modality) {
  const Format file_format = FileFormatOf(modality);
  if (arguments.format == "raw") return Format::kRaw;
  if (arguments.format == "png" || arguments.format == "wav") {
    const Format given = arguments.format == "png" ? Format::kPng : Format::kWav;
    if (given == file_format) return given;
    return UsageError(
        absl::StrCat("--format: '", arguments.format, "' does not fit ", ModalityName(modality)));
  }
  if (!arguments.format.empty()) {
    return UsageError(absl::StrCat("--format: '", arguments.format, "' is not png, wav or raw"));
  }
  if (arguments.path.empty() && arguments.json) return Format::kNone;
  if (file_format == Format::kNone) return arguments.path.empty() ? Format::kText : Format::kRaw;
  const bool has_extension = absl::EndsWithIgnoreCase(arguments.path, ExtensionOf(file_format));
  return arguments.path.empty() || has_extension ? file_format : Format::kRaw;
}

std::string SamplePath(const std::string& path, uint32_t index, uint32_t samples) {
  if (samples == 1) return path;
  const size_t name = path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1;
  size_t dot = path.rfind('.');
  // A name that only begins with a dot has no extension.
  if (dot == std::string::npos || dot <= name) dot = path.size();
  return absl::StrCat(path.substr(0, dot), "-", index, path.substr(dot));
}

std::string OutputPath(const OutputArguments& arguments, const v1::Started& started,
                       Format format) {
  if (format == Format::kNone || format == Format::kText) return {};
  if (!arguments.path.empty()) return arguments.path;
  if (started.modality() == v1::MODALITY_TEXT) return "-";
  // The server's name must not choose the folder.
  const std::string model = absl::StrReplaceAll(started.model(), {{"/", "_"}});
  const absl::string_view extension = format == Format::kRaw ? ".raw" : ExtensionOf(format);
  return absl::StrCat(model, "-", started.resolved().seed(), extension);
}

absl::StatusOr<std::vector<std::unique_ptr<ByteSink>>> OpenSamples(const std::string& path,
                                                                   uint32_t samples,
                                                                   ByteSink* out) {
  std::vector<std::unique_ptr<ByteSink>> sinks;
  if (path == "-") {
    if (samples > 1) return UsageError("--output: '-' takes one sample; name a file for several");
    sinks.push_back(std::make_unique<SharedSink>(out));
    return sinks;
  }
  for (uint32_t index = 0; index < samples; ++index) {
    auto file = FileSink::Create(SamplePath(path, index, samples));
    if (!file.ok()) return AsUsageError(file.status());
    sinks.push_back(*std::move(file));
  }
  return sinks;
}

}  // namespace strided::client
