// The flags of every subcommand that talks to a server.

#ifndef STRIDED_CLIENT_CPP_COMMAND_CONNECTION_ARGUMENTS_H_
#define STRIDED_CLIENT_CPP_COMMAND_CONNECTION_ARGUMENTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/client.h"
#include "client/cpp/command/console.h"

namespace CLI {
class App;
}  // namespace CLI

namespace strided::client {

// Filled in by the parser; then a source of connections.
class ConnectionArguments {
 public:
  // `deadline`: the default of --deadline, empty for none.
  explicit ConnectionArguments(std::string deadline) : deadline_(std::move(deadline)) {}

  // Adds --address, --tls, --tls-roots, --plaintext, --token-file and --deadline. Both outlive the
  // parsing.
  void AddTo(CLI::App* subcommand);

  // What the flags say, the files that they name read, the token from --token-file or
  // STRIDED_TOKEN. UsageError where a file cannot be read.
  absl::StatusOr<ConnectOptions> Read(const Console& console) const;

  // A client of what Read gives, which connects with its first call. UsageError where a flag or a
  // file that it names is wrong.
  absl::StatusOr<Client> Connect(const Console& console) const;

  // The deadline counts from now; Ctrl-C cancels. UsageError where --deadline is no time.
  absl::StatusOr<CallOptions> Options(const Console& console) const;

  // As given, or the default.
  const std::string& address() const { return address_; }

 private:
  std::string address_ = "127.0.0.1:50051";
  std::string tls_roots_;   // path
  std::string token_file_;  // path
  std::string deadline_;
  bool tls_ = false;
  bool plaintext_ = false;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_CONNECTION_ARGUMENTS_H_
