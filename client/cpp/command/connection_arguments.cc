#include "client/cpp/command/connection_arguments.h"

#include <CLI/CLI.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"
#include "client/cpp/output/byte_sink.h"

namespace strided::client {
namespace {

constexpr char kGroup[] = "Connection";

}  // namespace

void ConnectionArguments::AddTo(CLI::App* subcommand) {
  subcommand->add_option("--address", address_, "The server: host:port, [::1]:port or unix:/path")
      ->envname("STRIDED_ADDRESS")
      ->capture_default_str()
      ->type_name("ADDRESS")
      ->group(kGroup);
  subcommand->add_flag("--tls", tls_, "Encrypt; trust the roots of this system")->group(kGroup);
  subcommand->add_option("--tls-roots", tls_roots_, "Encrypt; trust the roots in this PEM file")
      ->type_name("FILE")
      ->group(kGroup);
  subcommand->add_flag("--plaintext", plaintext_, "Allow clear text to another machine")
      ->group(kGroup);
  subcommand
      ->add_option("--token-file", token_file_,
                   "Send the token in this file (or in $STRIDED_TOKEN) as bearer token")
      ->type_name("FILE")
      ->group(kGroup);
  subcommand->add_option("--deadline", deadline_, "Give up after this time (90, 1.5s, 2m)")
      ->type_name("TIME")
      ->capture_default_str()
      ->group(kGroup);
}

absl::StatusOr<ConnectOptions> ConnectionArguments::Read(const Console& console) const {
  ConnectOptions options;
  options.address = address_;
  options.tls = tls_;
  options.plaintext = plaintext_;
  // There is no flag for the token itself: arguments show in the list of processes.
  options.token = console.environment("STRIDED_TOKEN").value_or("");
  if (!tls_roots_.empty()) {
    absl::StatusOr<std::string> roots = ReadInput(tls_roots_);
    if (!roots.ok()) return AsUsageError(roots.status());
    if (roots->empty()) return UsageError(absl::StrCat("--tls-roots: '", tls_roots_, "' is empty"));
    options.tls_roots = *std::move(roots);
  }
  if (!token_file_.empty()) {
    absl::StatusOr<std::string> token = ReadInput(token_file_);
    if (!token.ok()) return AsUsageError(token.status());
    options.token = std::string(absl::StripAsciiWhitespace(*token));
  }
  return options;
}

absl::StatusOr<Client> ConnectionArguments::Connect(const Console& console) const {
  const absl::StatusOr<ConnectOptions> options = Read(console);
  if (!options.ok()) return options.status();
  absl::StatusOr<Client> client = Client::Connect(*options);
  if (client.ok()) return client;
  return UsageError(absl::StrCat(std::string(client.status().message()),
                                 " (--address, --tls, --plaintext, --token-file)"));
}

absl::StatusOr<CallOptions> ConnectionArguments::Options(const Console& console) const {
  CallOptions options;
  options.cancellation = console.interrupted;
  if (deadline_.empty()) return options;
  absl::StatusOr<absl::Duration> limit = ParseDuration("--deadline", deadline_);
  if (!limit.ok()) return limit.status();
  options.deadline = absl::Now() + *limit;
  return options;
}

}  // namespace strided::client
