// `stride generate`.

#ifndef STRIDED_CLIENT_CPP_COMMAND_GENERATE_COMMAND_H_
#define STRIDED_CLIENT_CPP_COMMAND_GENERATE_COMMAND_H_

#include <optional>
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
  struct Call {
    v1::GenerateRequest request;
    std::optional<v1::Model> model;  // where something needs it
  };

  // The request with its conditions and a prompt from --prompt-file. Asks the server about the
  // model only where a label, a file to decode or a length beyond the context needs it.
  absl::StatusOr<Call> Complete(v1::GenerateRequest request, const Client& client,
                                const CallOptions& options) const;
  absl::StatusOr<std::string> PromptOf(const std::string& file, const v1::Model& model) const;

  GenerateArguments arguments_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_GENERATE_COMMAND_H_
