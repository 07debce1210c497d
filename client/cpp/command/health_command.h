// `stride health`: whether a server serves.

#ifndef STRIDED_CLIENT_CPP_COMMAND_HEALTH_COMMAND_H_
#define STRIDED_CLIENT_CPP_COMMAND_HEALTH_COMMAND_H_

#include <string>

#include "client/cpp/command/command.h"
#include "client/cpp/command/connection_arguments.h"

namespace strided::client {

// `stride health`, for scripts and container probes. Prints "SERVING"; anything else is
// Unavailable, and so exit code 3.
class HealthCommand final : public Command {
 public:
  void AddTo(CLI::App* program) override;
  absl::Status Run(const Console& console) override;

 private:
  ConnectionArguments connection_{"10s"};
  std::string service_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_HEALTH_COMMAND_H_
