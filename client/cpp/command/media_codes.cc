#include "client/cpp/command/media_codes.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/media/audio_codes.h"
#include "client/cpp/media/png.h"
#include "client/cpp/media/wav.h"

namespace strided::client {
namespace {

size_t RowCodes(const v1::Model& model) {
  return size_t{model.image().width()} * model.image().channels();
}

absl::StatusOr<std::string> PixelsOf(const std::string& file, const v1::Model& model) {
  if (!model.has_image()) {
    return UsageError(absl::StrCat("a PNG image is no input for the model '", model.name(), "'"));
  }
  absl::StatusOr<Image> image = DecodePng(file, static_cast<int>(model.image().channels()));
  if (!image.ok()) return AsUsageError(image.status());
  const auto width = static_cast<int>(model.image().width());
  const auto height = static_cast<int>(model.image().height());
  if (image->width != width || image->height > height) {
    return UsageError(absl::StrCat("the image is ", image->width, " x ", image->height,
                                   "; the model '", model.name(), "' makes images of ", width,
                                   " x ", height));
  }
  return std::string(image->samples.begin(), image->samples.end());
}

absl::StatusOr<std::string> AudioCodesOf(const std::string& file, const v1::Model& model) {
  if (!model.has_audio()) {
    return UsageError(absl::StrCat("a WAV file is no input for the model '", model.name(), "'"));
  }
  absl::StatusOr<Sound> sound = DecodeWav(file);
  if (!sound.ok()) return AsUsageError(sound.status());
  if (sound->sample_rate_hz != model.audio().sample_rate_hz()) {
    return UsageError(absl::StrCat("the WAV file has ", sound->sample_rate_hz,
                                   " samples per second; the model '", model.name(), "' has ",
                                   model.audio().sample_rate_hz(), ": resample it first"));
  }
  const bool is_mulaw = model.audio().encoding() == v1::AUDIO_ENCODING_MULAW;
  std::string codes;
  for (const int16_t sample : sound->samples) {
    codes.push_back(static_cast<char>(is_mulaw ? CodeOfMulaw(sample) : CodeOfLinear8(sample)));
  }
  return codes;
}

}  // namespace

bool NeedsDecoding(absl::string_view file) { return IsPng(file) || IsWav(file); }

absl::StatusOr<std::string> CodesOf(const std::string& file, const v1::Model& model) {
  // A text model reads the bytes of any file.
  if (model.modality() == v1::MODALITY_TEXT) return file;
  if (IsPng(file)) return PixelsOf(file, model);
  if (IsWav(file)) return AudioCodesOf(file, model);
  return file;
}

absl::StatusOr<std::string> PromptOf(const std::string& file, std::optional<uint32_t> rows,
                                     const v1::Model& model) {
  absl::StatusOr<std::string> codes = CodesOf(file, model);
  if (!codes.ok()) return codes;
  if (!model.has_image() && rows.has_value()) {
    return UsageError(
        absl::StrCat("--prompt-rows is for image models; '", model.name(), "' is none"));
  }
  if (!model.has_image() || (!IsPng(file) && !rows.has_value())) return codes;
  const size_t file_rows = codes->size() / RowCodes(model);
  const size_t half = (size_t{model.image().height()} + 1) / 2;
  const size_t given = rows.has_value() ? *rows : std::min(file_rows, half);
  if (given > file_rows) {
    return UsageError(absl::StrCat("--prompt-rows: ", given, " rows; the file has ", file_rows));
  }
  if (given >= model.image().height()) {
    return UsageError(absl::StrCat("--prompt-rows: ", given, " rows leave nothing to make of ",
                                   model.image().height()));
  }
  return codes->substr(0, given * RowCodes(model));
}

absl::StatusOr<v1::Model> FindModel(const Client& client, const std::string& name,
                                    const CallOptions& options) {
  if (!name.empty()) return client.GetModel(name, options);
  absl::StatusOr<std::vector<v1::Model>> models = client.ListModels(options);
  if (!models.ok()) return models.status();
  std::set<std::string> names;
  for (const v1::Model& model : *models) names.insert(model.name());
  if (names.empty()) return absl::NotFoundError("the server has no model");
  if (names.size() > 1) {
    return UsageError(
        absl::StrCat("--model is needed: the server has ", absl::StrJoin(names, ", ")));
  }
  return client.GetModel(*names.begin(), options);
}

}  // namespace strided::client
