// The command line of `stride generate`, and the request that it means.

#ifndef STRIDED_CLIENT_CPP_COMMAND_GENERATE_ARGUMENTS_H_
#define STRIDED_CLIENT_CPP_COMMAND_GENERATE_ARGUMENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/command/connection_arguments.h"
#include "client/cpp/command/output_choice.h"
#include "client/cpp/command/sampling_flags.h"
#include "client/cpp/command/window_arguments.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Filled in by the parser; texts are as they were typed.
struct GenerateArguments {
  ConnectionArguments connection{""};
  SamplingFlags sampling;
  WindowArguments windows;
  OutputArguments output;
  std::string model;
  // At most one of the next two: text, and a path or "-".
  std::optional<std::string> prompt;
  std::string prompt_file;
  // Of an image: how many of its top rows are the prompt.
  std::optional<std::string> prompt_rows;
  std::vector<std::string> conditions;  // "name=value"
  std::optional<std::string> logprobs;
  std::optional<std::string> priority;
  std::optional<std::string> time_limit;
  std::string request_id;
  bool echo = false;
  bool pcm16 = false;

  void AddTo(CLI::App* subcommand);
};

// The request, but for what may need the model: a prompt that comes from a file, conditions,
// windows. UsageErrors name the flag.
absl::StatusOr<v1::GenerateRequest> MakeRequest(const GenerateArguments& arguments);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_GENERATE_ARGUMENTS_H_
