#include "client/cpp/command/program.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/generate_command.h"
#include "client/cpp/command/health_command.h"
#include "client/cpp/command/models_command.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/parsing.h"
#include "client/cpp/command/score_command.h"

namespace strided::client {
namespace {

constexpr char kVersion[] = "stride " STRIDED_VERSION " (strided.v1)";

constexpr char kExitCodes[] = R"(Exit codes:
  0    done
  1    the server refused or failed, or the output cannot be written
  2    the arguments, or files that they name, are wrong
  3    no server answers, or it is not healthy
  130  interrupted)";

class VersionCommand final : public Command {
 public:
  void AddTo(CLI::App* program) override {
    program->add_subcommand("version", "The version of this program");
  }
  absl::Status Run(const Console& console) override {
    return console.out->Write(absl::StrCat(kVersion, "\n"));
  }
};

struct Named {
  const char* name;
  std::unique_ptr<Command> command;
};

std::vector<Named> AllCommands() {
  std::vector<Named> commands;
  commands.push_back({"generate", std::make_unique<GenerateCommand>()});
  commands.push_back({"score", std::make_unique<ScoreCommand>()});
  commands.push_back({"models", std::make_unique<ModelsCommand>()});
  commands.push_back({"health", std::make_unique<HealthCommand>()});
  commands.push_back({"version", std::make_unique<VersionCommand>()});
  return commands;
}

absl::Status ParseAndRun(std::vector<std::string> arguments, const Console& console) {
  CLI::App app("Samples from Sparse Transformers that a Strided server has", "stride");
  app.footer(kExitCodes);
  app.set_version_flag("--version", kVersion, "The version of this program");
  std::vector<Named> commands = AllCommands();
  for (Named& named : commands) named.command->AddTo(&app);
  const absl::StatusOr<std::string> help = ParseArguments(std::move(arguments), app);
  if (!help.ok()) return help.status();
  if (!help->empty()) return console.out->Write(*help);
  if (app.get_subcommands().empty()) {
    return UsageError("a command is needed: generate, score, models, health or version");
  }
  for (Named& named : commands) {
    if (app.got_subcommand(named.name)) return named.command->Run(console);
  }
  return absl::OkStatus();
}

}  // namespace

int RunProgram(std::vector<std::string> arguments, const Console& console) {
  const absl::Status status = ParseAndRun(std::move(arguments), console);
  // Nothing can be done about an error stream that takes no errors.
  console.error->Write(ErrorLine(status)).IgnoreError();
  return ExitCodeOf(status);
}

}  // namespace strided::client
