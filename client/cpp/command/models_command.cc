#include "client/cpp/command/models_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/output/json.h"
#include "client/cpp/output/numbers.h"
#include "client/cpp/output/utf8.h"

namespace strided::client {
namespace {

constexpr size_t kColumns = 10;
constexpr size_t kFingerprintShown = 12;  // characters; --json has them all
constexpr int kMostLabels = 20;           // shown of a condition; --json has them all
using Row = std::array<std::string, kColumns>;

Row RowOf(const v1::Model& model) {
  const std::string state = ShortName(model.state(), "MODEL_STATE_");
  if (model.modality() ==
      v1::MODALITY_UNSPECIFIED) {  // the server could not read it, or has not yet
    return {model.name(), model.version(), state, "-", "-", "-", "-", "-", "-", "-"};
  }
  return {model.name(),
          model.version(),
          state,
          ModalityName(model.modality()),
          WithCommas(model.context_length()),
          WithCommas(model.parameter_count()),
          BinaryBytes(model.cache_bytes_per_sequence()),
          BinaryBytes(model.dense_cache_bytes_per_sequence()),
          model.fingerprint().substr(0, kFingerprintShown),
          absl::StrCat(model.device(), model.weight_format().empty() ? "" : " ",
                       model.weight_format())};
}

Json JsonOf(const v1::Model& model) {
  Json object = {{"name", model.name()},
                 {"version", model.version()},
                 {"fingerprint", model.fingerprint()},
                 {"state", ShortName(model.state(), "MODEL_STATE_")},
                 {"state_reason", model.state_reason()},
                 {"modality", ModalityName(model.modality())},
                 {"context_length", model.context_length()},
                 {"vocab_size", model.vocab_size()},
                 {"has_tokenizer", model.has_tokenizer()},
                 {"parameter_count", model.parameter_count()},
                 {"cache_bytes_per_token", model.cache_bytes_per_token()},
                 {"cache_bytes_per_sequence", model.cache_bytes_per_sequence()},
                 {"dense_cache_bytes_per_sequence", model.dense_cache_bytes_per_sequence()},
                 {"device", model.device()},
                 {"weight_format", model.weight_format()},
                 {"load_time", SecondsOf(model.load_time())},
                 {"default_sampling", SamplingJson(model.default_sampling())}};
  if (model.has_image()) {
    object["image"] = {{"height", model.image().height()},
                       {"width", model.image().width()},
                       {"channels", model.image().channels()}};
  }
  if (model.has_audio()) {
    object["audio"] = {{"sample_rate_hz", model.audio().sample_rate_hz()},
                       {"encoding", ShortName(model.audio().encoding(), "AUDIO_ENCODING_")}};
  }
  Json conditions = Json::object();
  for (const v1::Condition& condition : model.conditions()) {
    conditions[condition.name()] = {{"values", condition.values()}, {"labels", condition.labels()}};
  }
  object["conditions"] = std::move(conditions);
  return object;
}

// "  --condition class=0 to 10: any, airplane, ...": a line beneath a model's row for each.
std::string ConditionLines(const v1::Model& model) {
  std::string lines;
  for (const v1::Condition& condition : model.conditions()) {
    absl::StrAppend(&lines, "  --condition ", condition.name(), "=0 to ", condition.values() - 1);
    if (condition.labels_size() > 0) {
      const int shown = std::min(kMostLabels, condition.labels_size());
      const auto begin = condition.labels().begin();
      absl::StrAppend(&lines, ": ", absl::StrJoin(begin, begin + shown, ", "),
                      shown < condition.labels_size() ? ", ..." : "");
    }
    absl::StrAppend(&lines, "\n");
  }
  return lines;
}

}  // namespace

std::string ModelTable(const std::vector<v1::Model>& models) {
  std::vector<Row> rows = {{"NAME", "VERSION", "STATE", "MODALITY", "CONTEXT", "PARAMETERS",
                            "CACHE", "IF DENSE", "FINGERPRINT", "DEVICE"}};
  for (const v1::Model& model : models) rows.push_back(RowOf(model));
  std::array<size_t, kColumns> widths = {};
  for (const Row& row : rows) {
    for (size_t c = 0; c < kColumns; ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string table;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c + 1 < kColumns; ++c) {
      absl::StrAppend(&table, rows[r][c], std::string(widths[c] - rows[r][c].size() + 2, ' '));
    }
    absl::StrAppend(&table, rows[r][kColumns - 1], "\n");
    if (r == 0) continue;
    const v1::Model& model = models[r - 1];
    if (!model.state_reason().empty()) absl::StrAppend(&table, "  ", model.state_reason(), "\n");
    table += ConditionLines(model);
  }
  return WithoutControls(table);  // names, labels and reasons are the server's
}

std::string ModelLines(const std::vector<v1::Model>& models) {
  std::string lines;
  for (const v1::Model& model : models) lines += JsonLine(JsonOf(model));
  return lines;
}

void ModelsCommand::AddTo(CLI::App* program) {
  CLI::App* subcommand = program->add_subcommand("models", "List what the server has");
  subcommand->add_flag("--json", json_, "One JSON object per model and line");
  connection_.AddTo(subcommand);
  subcommand->footer(
      "CACHE is what a sequence that fills the context takes; IF DENSE what it would take if "
      "every\n"
      "layer kept all positions.");
}

absl::Status ModelsCommand::Run(const Console& console) {
  const absl::StatusOr<CallOptions> options = connection_.Options(console);
  if (!options.ok()) return options.status();
  const absl::StatusOr<Client> client = connection_.Connect(console);
  if (!client.ok()) return client.status();
  const absl::StatusOr<std::vector<v1::Model>> models = client->ListModels(*options);
  if (!models.ok()) return models.status();
  return console.out->Write(json_ ? ModelLines(*models) : ModelTable(*models));
}

}  // namespace strided::client
