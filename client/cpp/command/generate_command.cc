#include "client/cpp/command/generate_command.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <utility>

#include "client/cpp/command/generation_display.h"
#include "client/cpp/command/media_codes.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"

namespace strided::client {
namespace {

// Shows every event of `stream`; the error that ends it, of the stream or of the display.
absl::Status ShowAll(GenerateStream& stream, GenerationDisplay& display) {
  while (true) {
    absl::StatusOr<std::optional<v1::GenerateResponse>> event = stream.Next();
    if (!event.ok()) return event.status();
    if (!event->has_value()) return absl::OkStatus();
    if (absl::Status status = display.Show(**event); !status.ok()) return status;
  }
}

}  // namespace

void GenerateCommand::AddTo(CLI::App* program) {
  arguments_.AddTo(program->add_subcommand("generate", "Sample from a model"));
}

absl::Status GenerateCommand::Run(const Console& console) {
  absl::StatusOr<v1::GenerateRequest> request = MakeRequest(arguments_);
  if (!request.ok()) return request.status();
  const absl::StatusOr<CallOptions> options = arguments_.connection.Options(console);
  if (!options.ok()) return options.status();
  const absl::StatusOr<Client> client = arguments_.connection.Connect(console);
  if (!client.ok()) return client.status();
  if (!arguments_.prompt_file.empty()) {
    absl::StatusOr<std::string> prompt = ReadPrompt(*client, *options);
    if (!prompt.ok()) return prompt.status();
    request->mutable_prompt()->set_raw(*std::move(prompt));
  }
  GenerationDisplay display(arguments_.output, request->prompt().raw(), console);
  const std::unique_ptr<GenerateStream> stream = client->Generate(*request, *options);
  return display.End(ShowAll(*stream, display));
}

absl::StatusOr<std::string> GenerateCommand::ReadPrompt(const Client& client,
                                                        const CallOptions& options) const {
  std::optional<uint32_t> rows;
  if (arguments_.prompt_rows.has_value()) {
    const auto parsed = ParseUint32("--prompt-rows", *arguments_.prompt_rows);
    if (!parsed.ok()) return parsed.status();
    rows = *parsed;
  }
  absl::StatusOr<std::string> file = ReadInput(arguments_.prompt_file);
  if (!file.ok()) return AsUsageError(file.status());
  if (!NeedsDecoding(*file) && !rows.has_value()) return file;
  const absl::StatusOr<v1::Model> model = FindModel(client, arguments_.model, options);
  if (!model.ok()) return model.status();
  return PromptOf(*file, rows, *model);
}

}  // namespace strided::client
