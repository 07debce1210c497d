// `stride generate`.

#ifndef STRIDED_CLIENT_CPP_COMMAND_GENERATE_COMMAND_H_
#define STRIDED_CLIENT_CPP_COMMAND_GENERATE_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/client.h"
#include "client/cpp/command/command.h"
#include "client/cpp/command/generate_arguments.h"

namespace strided::client {

// `stride generate`: one request, shown as it comes, and what arrived of it kept when it ends
// early.
class GenerateCommand final : public Command {
 public:
  void AddTo(CLI::App* program) override;
  absl::Status Run(const Console& console) override;

 private:
  // The request's prompt from --prompt-file; asks the server about the model only where the file
  // has to be decoded.
  absl::StatusOr<std::string> ReadPrompt(const Client& client, const CallOptions& options) const;

  GenerateArguments arguments_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_GENERATE_COMMAND_H_
