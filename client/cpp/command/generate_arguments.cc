#include "client/cpp/command/generate_arguments.h"

#include <CLI/CLI.hpp>

#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"
#include "client/cpp/proto_time.h"

namespace strided::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  stride generate --model text --prompt 'The history of ' --max-new-tokens 400 --temperature 0.8
  stride generate --model image --samples 4 --sheet four.png --output four/sample.png
  stride generate --model image --prompt-file photo.png --prompt-rows 12 --output completed.png
  stride generate --model image --condition class=horse --output horse.png
  stride generate --model audio --max-new-tokens 24000 --output music.wav
  stride generate --model audio --length 7200000 --pcm16 --output - | aplay -f S16_LE -r 12000
  echo 'Dear reader,' | stride generate --model text --prompt-file - --echo --stop '\n\n'
  stride generate --model text --prompt 'a' --logprobs 3 --json | jq -r 'select(.event == "delta").text')";

void AddInput(GenerateArguments& arguments, CLI::App* subcommand) {
  constexpr char kGroup[] = "Input";
  subcommand->add_option("--model", arguments.model, "\"name\" or \"name/version\"")
      ->type_name("NAME")
      ->group(kGroup);
  subcommand->add_option("--prompt", arguments.prompt, "Text to go on with")
      ->type_name("TEXT")
      ->group(kGroup);
  subcommand
      ->add_option("--prompt-file", arguments.prompt_file,
                   "File to go on with: bytes, a PNG image, a WAV file; -: standard input")
      ->type_name("FILE")
      ->group(kGroup);
  subcommand
      ->add_option("--prompt-rows", arguments.prompt_rows,
                   "Rows of the image that are given, from the top; unset: the upper half")
      ->type_name("N")
      ->group(kGroup);
  subcommand
      ->add_option("--condition", arguments.conditions,
                   "What a conditional model is told: a number or a label; repeatable")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE")
      ->group(kGroup);
}

void AddOutput(GenerateArguments& arguments, CLI::App* subcommand) {
  constexpr char kGroup[] = "Output";
  OutputArguments& output = arguments.output;
  subcommand
      ->add_option("--output", output.path,
                   "a.png, a.wav, any other name for raw bytes, - for standard output; several "
                   "samples are numbered: a-0.png")
      ->type_name("FILE")
      ->group(kGroup);
  subcommand->add_option("--format", output.format, "png, wav or raw, whatever the file's name")
      ->type_name("FORMAT")
      ->group(kGroup);
  subcommand->add_option("--sheet", output.sheet, "All image samples in one PNG file")
      ->type_name("FILE")
      ->group(kGroup);
  subcommand
      ->add_option("--clusters", output.clusters,
                   "Image GPT's preprocessor_config.json, for the colours of its tokens")
      ->type_name("FILE")
      ->group(kGroup);
  subcommand->add_flag("--json", output.json, "One JSON object per event and line")->group(kGroup);
  subcommand
      ->add_option("--logprobs", arguments.logprobs,
                   "With --json: log-probabilities of each token and of the N most likely")
      ->type_name("N")
      ->group(kGroup);
  subcommand->add_flag("--echo", arguments.echo, "Show the prompt, too")->group(kGroup);
  subcommand->add_flag("--pcm16", arguments.pcm16, "Receive audio as 16-bit samples")
      ->group(kGroup);
  subcommand->add_flag("--no-preview", output.no_preview, "No image in the terminal")
      ->group(kGroup);
  subcommand->add_flag("--quiet", output.quiet, "No progress and no summary")->group(kGroup);
}

void AddScheduling(GenerateArguments& arguments, CLI::App* subcommand) {
  constexpr char kGroup[] = "Scheduling";
  subcommand->add_option("--priority", arguments.priority, "Higher first")
      ->type_name("N")
      ->group(kGroup);
  subcommand
      ->add_option("--time-limit", arguments.time_limit,
                   "End well, with what there is, after this time (90, 1.5s, 2m)")
      ->type_name("TIME")
      ->group(kGroup);
  subcommand->add_option("--request-id", arguments.request_id, "Shown in the server's log")
      ->type_name("ID")
      ->group(kGroup);
}

absl::Status CheckTogether(const GenerateArguments& arguments) {
  if (arguments.prompt.has_value() && !arguments.prompt_file.empty()) {
    return UsageError("--prompt and --prompt-file exclude each other");
  }
  if (arguments.prompt_rows.has_value() && arguments.prompt_file.empty()) {
    return UsageError("--prompt-rows needs --prompt-file");
  }
  if (arguments.logprobs.has_value() && !arguments.output.json) {
    return UsageError("--logprobs needs --json");
  }
  if (arguments.output.json && arguments.output.path == "-") {
    return UsageError("--json and --output - would mix on standard output");
  }
  return arguments.windows.Check();
}

absl::StatusOr<v1::GenerateRequest> WithScheduling(const GenerateArguments& arguments,
                                                   v1::GenerateRequest request) {
  request.set_request_id(arguments.request_id);
  if (arguments.priority.has_value()) {
    const absl::StatusOr<int32_t> priority = ParseInt32("--priority", *arguments.priority);
    if (!priority.ok()) return priority.status();
    request.set_priority(*priority);
  }
  if (arguments.time_limit.has_value()) {
    const absl::StatusOr<absl::Duration> limit =
        ParseDuration("--time-limit", *arguments.time_limit);
    if (!limit.ok()) return limit.status();
    *request.mutable_time_limit() = ToProto(*limit);
  }
  return request;
}

}  // namespace

void GenerateArguments::AddTo(CLI::App* subcommand) {
  AddInput(*this, subcommand);
  sampling.AddTo(subcommand);
  windows.AddTo(subcommand);
  AddOutput(*this, subcommand);
  AddScheduling(*this, subcommand);
  connection.AddTo(subcommand);
  subcommand->footer(kExamples);
}

absl::StatusOr<v1::GenerateRequest> MakeRequest(const GenerateArguments& arguments) {
  if (absl::Status status = CheckTogether(arguments); !status.ok()) return status;
  v1::GenerateRequest request;
  request.set_model(arguments.model);
  if (arguments.prompt.has_value()) request.mutable_prompt()->set_raw(*arguments.prompt);
  absl::StatusOr<v1::SamplingParams> sampling = arguments.sampling.Parse();
  if (!sampling.ok()) return sampling.status();
  if (sampling->has_max_new_tokens() && arguments.windows.length.has_value()) {
    return UsageError("--length and --max-new-tokens exclude each other");
  }
  *request.mutable_sampling() = *std::move(sampling);
  if (arguments.logprobs.has_value()) {
    const absl::StatusOr<uint32_t> count = ParseUint32("--logprobs", *arguments.logprobs);
    if (!count.ok()) return count.status();
    request.mutable_output()->set_top_logprobs(*count);
  }
  if (arguments.echo) request.mutable_output()->set_echo_prompt(true);
  if (arguments.pcm16) request.mutable_output()->set_audio_encoding(v1::AUDIO_ENCODING_PCM16);
  return WithScheduling(arguments, std::move(request));
}

}  // namespace strided::client
