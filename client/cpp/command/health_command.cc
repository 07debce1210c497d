#include "client/cpp/command/health_command.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

absl::string_view NameOf(Health health) {
  switch (health) {
    case Health::kServing:
      return "SERVING";
    case Health::kNotServing:
      return "NOT_SERVING";
    case Health::kServiceUnknown:
      return "SERVICE_UNKNOWN";
    case Health::kUnknown:
      break;
  }
  return "UNKNOWN";
}

}  // namespace

void HealthCommand::AddTo(CLI::App* program) {
  CLI::App* subcommand = program->add_subcommand("health", "Whether the server serves");
  subcommand->add_option("--service", service_, "One service, e.g. strided.v1.SamplingService")
      ->type_name("NAME");
  connection_.AddTo(subcommand);
  subcommand->footer("Exit code 0: SERVING; 3: anything else.");
}

absl::Status HealthCommand::Run(const Console& console) {
  const absl::StatusOr<CallOptions> options = connection_.Options(console);
  if (!options.ok()) return options.status();
  const absl::StatusOr<Client> client = connection_.Connect(console);
  if (!client.ok()) return client.status();
  const absl::StatusOr<Health> health = client->CheckHealth(service_, *options);
  // Late is as bad as absent for who asks about health.
  if (absl::IsDeadlineExceeded(health.status())) {
    return absl::UnavailableError("no answer before the deadline");
  }
  if (!health.ok()) return health.status();
  if (*health == Health::kServing) return console.out->Write("SERVING\n");
  return absl::UnavailableError(absl::StrCat("the server is ", NameOf(*health)));
}

}  // namespace strided::client
