#include "client/cpp/command/score_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/command/condition_choice.h"
#include "client/cpp/command/media_codes.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"
#include "client/cpp/output/json.h"
#include "client/cpp/output/numbers.h"

namespace strided::client {
namespace {

constexpr uint32_t kMostParallel = 256;
constexpr uint32_t kByteCodes = 256;

constexpr char kExamples[] = R"(Examples:
  stride score --model text book.txt
  stride score --model text --window 4096 --overlap 2048 --parallel 8 enwik8.test
  stride score --model image photo.png more-images.raw
  stride score --model audio --json music.wav)";

// Whether the model's tokens are not the bytes of a file.
bool IsOfTokens(const v1::Model& model) {
  return model.has_tokenizer() || model.vocab_size() > kByteCodes;
}

absl::StatusOr<std::optional<uint32_t>> ParseOptional(const char* flag,
                                                      const std::optional<std::string>& text) {
  if (!text.has_value()) return std::nullopt;
  const absl::StatusOr<uint32_t> number = ParseUint32(flag, *text);
  if (!number.ok()) return number.status();
  return *number;
}

}  // namespace

std::string TokenUnit(const v1::Model& model) {
  switch (model.modality()) {
    case v1::MODALITY_TEXT:
      return IsOfTokens(model) ? "token" : "byte";
    case v1::MODALITY_IMAGE:
      return "dimension";
    case v1::MODALITY_AUDIO:
      return "sample";
    default:
      return "token";
  }
}

absl::StatusOr<std::vector<ScoreWindow>> WindowsOf(size_t length, const WindowChoice& choice,
                                                   const v1::Model& model) {
  const uint64_t context = model.context_length();
  if (model.has_tokenizer()) {
    if (choice.window.has_value() || choice.overlap.has_value()) {
      return UsageError(
          "--window and --overlap are in tokens, which the server makes of this text");
    }
    // About a context of English; ScoreRun cuts what turns out to be more.
    constexpr uint64_t kBytesOfAToken = 4;
    return CoverWithWindows(length, context * kBytesOfAToken, 0);
  }
  if (model.has_image()) {
    const uint64_t image_length =
        uint64_t{model.image().height()} * model.image().width() * model.image().channels();
    if (choice.window.has_value() || choice.overlap.has_value()) {
      return UsageError("--window and --overlap are not for images: each is scored as a whole");
    }
    if (image_length == 0 || length % image_length != 0) {
      return UsageError(absl::StrCat("the file has ", length,
                                     " bytes, which is no whole number of ", "images of ",
                                     image_length));
    }
    return CoverWithWindows(length, image_length, 0);
  }
  const uint64_t window = choice.window.value_or(static_cast<uint32_t>(context));
  const uint64_t overlap = choice.overlap.value_or(0);
  if (window == 0 || window > context) {
    return UsageError(
        absl::StrCat("--window: ", window, " is not 1 to ", context, ", the model's context"));
  }
  if (overlap >= window) {
    return UsageError(
        absl::StrCat("--overlap: ", overlap, " is not less than the window of ", window));
  }
  return CoverWithWindows(length, window, overlap);
}

void ScoreCommand::AddTo(CLI::App* program) {
  CLI::App* subcommand =
      program->add_subcommand("score", "How well a model predicts files, in bits per token");
  subcommand->add_option("FILE", files_, "Text; PNG or raw images; WAV or raw audio codes; -");
  subcommand->add_option("--model", model_, "\"name\" or \"name/version\"")->type_name("NAME");
  subcommand
      ->add_option("--condition", conditions_,
                   "What a conditional model is told: a number or a label")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
  subcommand->add_option("--window", window_, "Tokens that are sent at once; unset: the context")
      ->type_name("N");
  subcommand
      ->add_option("--overlap", overlap_,
                   "Tokens before each window that it sees but does not count; unset: 0")
      ->type_name("N");
  subcommand->add_option("--parallel", parallel_, "Windows in flight; unset: 4")->type_name("N");
  subcommand->add_flag("--json", json_, "The result as one JSON object");
  subcommand->add_flag("--quiet", quiet_, "No progress");
  connection_.AddTo(subcommand);
  subcommand->footer(kExamples);
}

absl::Status ScoreCommand::Run(const Console& console) {
  if (files_.empty()) return UsageError("score: a file is needed; see stride score --help");
  const absl::StatusOr<Numbers> numbers = ParseNumbers();
  if (!numbers.ok()) return numbers.status();
  const absl::StatusOr<CallOptions> options = connection_.Options(console);
  if (!options.ok()) return options.status();
  const absl::StatusOr<Client> client = connection_.Connect(console);
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::Model> model = FindModel(*client, model_, *options);
  if (!model.ok()) return model.status();
  const absl::StatusOr<Input> input = Prepare(*model, *numbers);
  if (!input.ok()) return input.status();
  const absl::StatusOr<ScoreTotals> totals = Score(*client, *options, *input, console);
  if (!totals.ok()) return totals.status();
  return console.out->Write(Report(*totals, *model));
}

absl::StatusOr<ScoreCommand::Numbers> ScoreCommand::ParseNumbers() const {
  Numbers numbers;
  const auto window = ParseOptional("--window", window_);
  if (!window.ok()) return window.status();
  numbers.windows.window = *window;
  const auto overlap = ParseOptional("--overlap", overlap_);
  if (!overlap.ok()) return overlap.status();
  numbers.windows.overlap = *overlap;
  const auto parallel = ParseOptional("--parallel", parallel_);
  if (!parallel.ok()) return parallel.status();
  const uint32_t threads = parallel->value_or(static_cast<uint32_t>(numbers.parallel));
  if (threads == 0 || threads > kMostParallel) {
    return UsageError(absl::StrCat("--parallel: ", threads, " is not 1 to ", kMostParallel));
  }
  numbers.parallel = static_cast<int>(threads);
  return numbers;
}

absl::StatusOr<std::vector<std::string>> ScoreCommand::ReadCodes(const v1::Model& model) const {
  if (IsOfTokens(model) && !model.has_tokenizer()) {
    return UsageError(
        absl::StrCat("the model '", model.name(), "' has ", model.vocab_size(),
                     " token ids; only models of bytes, or with a tokenizer, score files"));
  }
  std::vector<std::string> codes;
  for (const std::string& path : files_) {
    const absl::StatusOr<std::string> file = ReadInput(path);
    if (!file.ok()) return AsUsageError(file.status());
    if (file->empty()) return UsageError(absl::StrCat("'", path, "' is empty"));
    absl::StatusOr<std::string> decoded = CodesOf(*file, model);
    if (!decoded.ok()) {
      return UsageError(absl::StrCat("'", path, "': ", std::string(decoded.status().message())));
    }
    codes.push_back(*std::move(decoded));
  }
  return codes;
}

absl::StatusOr<ScoreCommand::Input> ScoreCommand::Prepare(const v1::Model& model,
                                                          const Numbers& numbers) const {
  Input input;
  input.parallel = numbers.parallel;
  absl::StatusOr<std::vector<std::string>> codes = ReadCodes(model);
  if (!codes.ok()) return codes.status();
  input.codes = *std::move(codes);
  for (size_t file = 0; file < input.codes.size(); ++file) {
    const auto windows = WindowsOf(input.codes[file].size(), numbers.windows, model);
    if (!windows.ok()) return windows.status();
    for (const ScoreWindow& window : *windows) input.pieces.push_back({file, window});
    input.tokens += input.codes[file].size();
  }
  // The version is pinned, so that all windows are scored by the same weights.
  input.base.set_model(absl::StrCat(model.name(), "/", model.version()));
  const auto choices = ParseConditions(conditions_);
  if (!choices.ok()) return choices.status();
  auto conditions = ConditionValues(*choices, &model);
  if (!conditions.ok()) return conditions.status();
  *input.base.mutable_conditions() = *std::move(conditions);
  return input;
}

absl::StatusOr<ScoreTotals> ScoreCommand::Score(const Client& client, const CallOptions& options,
                                                const Input& input, const Console& console) const {
  const bool live = console.error_terminal.interactive;
  LiveLines lines(console.error, console.now);
  Progress progress({.live = live && !quiet_ ? &lines : nullptr,
                     .plain = live || quiet_ ? nullptr : console.error,
                     .columns = console.error_terminal.columns},
                    console.now);
  progress.SetTotal(input.tokens);
  ScoreRun run(client, options, input.base, input.codes, &progress);
  const absl::StatusOr<std::vector<PieceScore>> scores = run.Run(input.pieces, input.parallel);
  const absl::Duration elapsed = progress.elapsed();
  if (live) {
    if (absl::Status status = lines.Clear(); !status.ok()) return status;
  }
  if (!scores.ok()) return scores.status();
  ScoreTotals totals = {0, input.pieces.size(), 0, elapsed};
  for (const PieceScore& score : *scores) {
    totals.tokens += score.tokens;
    totals.log_prob += score.log_prob;
  }
  return totals;
}

std::string ScoreCommand::Report(const ScoreTotals& totals, const v1::Model& model) const {
  const auto tokens = static_cast<double>(totals.tokens);
  const double bits = -totals.log_prob / std::log(2.0) / tokens;
  const double seconds = absl::ToDoubleSeconds(totals.elapsed);
  const double rate = seconds > 0 ? tokens / seconds : 0;
  if (json_) {
    return JsonLine({{"model", model.name()},
                     {"model_version", model.version()},
                     {"model_fingerprint", model.fingerprint()},
                     {"files", files_},
                     {"windows", totals.windows},
                     {"tokens", totals.tokens},
                     {"total_log_prob", totals.log_prob},
                     {"bits_per_token", bits},
                     {"unit", TokenUnit(model)},
                     {"seconds", seconds},
                     {"tokens_per_second", rate}});
  }
  return absl::StrFormat(
      "model                   %s/%s\n"
      "tokens                  %s in %s window%s\n"
      "total log-probability   %.6g nats\n"
      "bits per %-15s%.5f\n"
      "tokens/s                %s\n",
      model.name(), model.version(), WithCommas(totals.tokens), WithCommas(totals.windows),
      totals.windows == 1 ? "" : "s", totals.log_prob, TokenUnit(model), bits, ShortNumber(rate));
}

}  // namespace strided::client
