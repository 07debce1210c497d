// How far a generation goes on beyond the model's context, as given on the command line.

#ifndef STRIDED_CLIENT_CPP_COMMAND_WINDOW_ARGUMENTS_H_
#define STRIDED_CLIENT_CPP_COMMAND_WINDOW_ARGUMENTS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/window_plan.h"
#include "strided/v1/models.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace strided::client {

// Filled in by the parser; texts are as they were typed.
struct WindowArguments {
  std::optional<std::string> length;  // new tokens
  std::optional<std::string> hop;     // tokens, or with a point a part of the context

  void AddTo(CLI::App* subcommand);

  // UsageErrors where one of them cannot be read, or makes no sense without the other.
  absl::Status Check() const;
  // What they mean for `model`; ranges are PlanWindows' to check. Requires a length.
  absl::StatusOr<WindowOptions> Read(const v1::Model& model) const;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_WINDOW_ARGUMENTS_H_
