#include "client/cpp/command/generate_command.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "client/cpp/command/condition_choice.h"
#include "client/cpp/command/generation_display.h"
#include "client/cpp/command/media_codes.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"
#include "client/cpp/windowed_generation.h"

namespace strided::client {
namespace {

using Event = absl::StatusOr<std::optional<v1::GenerateResponse>>;

// Shows every event that `next` gives; the error that ends it, of the stream or of the display.
absl::Status ShowAll(const std::function<Event()>& next, GenerationDisplay& display) {
  while (true) {
    Event event = next();
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
  const absl::StatusOr<Call> call = Complete(*std::move(request), *client, *options);
  if (!call.ok()) return call.status();
  GenerationDisplay display(arguments_.output, call->request.prompt().raw(), console);
  if (!arguments_.windows.length.has_value()) {
    const std::unique_ptr<GenerateStream> stream = client->Generate(call->request, *options);
    return display.End(ShowAll([&stream] { return stream->Next(); }, display));
  }
  const absl::StatusOr<WindowOptions> windows = arguments_.windows.Read(*call->model);
  if (!windows.ok()) return windows.status();
  const auto generation =
      WindowedGeneration::Start(*client, *call->model, call->request, *windows, *options);
  if (!generation.ok()) return AsUsageError(generation.status());
  return display.End(ShowAll([&generation] { return (*generation)->Next(); }, display));
}

absl::StatusOr<GenerateCommand::Call> GenerateCommand::Complete(v1::GenerateRequest request,
                                                                const Client& client,
                                                                const CallOptions& options) const {
  Call call = {std::move(request), std::nullopt};
  const auto choices = ParseConditions(arguments_.conditions);
  if (!choices.ok()) return choices.status();
  std::optional<std::string> file;
  if (!arguments_.prompt_file.empty()) {
    absl::StatusOr<std::string> contents = ReadInput(arguments_.prompt_file);
    if (!contents.ok()) return AsUsageError(contents.status());
    file = *std::move(contents);
  }
  const bool encoded =
      file.has_value() && (NeedsDecoding(*file) || arguments_.prompt_rows.has_value());
  if (encoded || HasLabels(*choices) || arguments_.windows.length.has_value()) {
    absl::StatusOr<v1::Model> model = FindModel(client, arguments_.model, options);
    if (!model.ok()) return model.status();
    call.model = *std::move(model);
  }
  auto conditions = ConditionValues(*choices, call.model.has_value() ? &*call.model : nullptr);
  if (!conditions.ok()) return conditions.status();
  *call.request.mutable_conditions() = *std::move(conditions);
  if (!file.has_value()) return call;
  absl::StatusOr<std::string> prompt = encoded ? PromptOf(*file, *call.model) : *std::move(file);
  if (!prompt.ok()) return prompt.status();
  call.request.mutable_prompt()->set_raw(*std::move(prompt));
  return call;
}

absl::StatusOr<std::string> GenerateCommand::PromptOf(const std::string& file,
                                                      const v1::Model& model) const {
  if (!arguments_.prompt_rows.has_value()) {
    return client::PromptOf(file, /*rows=*/std::nullopt, model);
  }
  const absl::StatusOr<uint32_t> rows = ParseUint32("--prompt-rows", *arguments_.prompt_rows);
  if (!rows.ok()) return rows.status();
  return client::PromptOf(file, *rows, model);
}

}  // namespace strided::client
