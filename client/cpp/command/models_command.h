// `stride models`: what a server has.

#ifndef STRIDED_CLIENT_CPP_COMMAND_MODELS_COMMAND_H_
#define STRIDED_CLIENT_CPP_COMMAND_MODELS_COMMAND_H_

#include <string>
#include <vector>

#include "client/cpp/command/command.h"
#include "client/cpp/command/connection_arguments.h"
#include "strided/v1/models.pb.h"

namespace strided::client {

// A table with a heading, one line per model, columns aligned; why a model failed and what
// it may be told stand beneath.
std::string ModelTable(const std::vector<v1::Model>& models);

// One JSON object per model and line, every field of v1::Model that is known.
std::string ModelLines(const std::vector<v1::Model>& models);

// `stride models`: what the server has, in which state, and what a sequence of each takes.
class ModelsCommand final : public Command {
 public:
  void AddTo(CLI::App* program) override;
  absl::Status Run(const Console& console) override;

 private:
  ConnectionArguments connection_{"10s"};
  bool json_ = false;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_MODELS_COMMAND_H_
