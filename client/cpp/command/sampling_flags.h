// A flag for every field of SamplingParams: `top_k` is --top-k.

#ifndef STRIDED_CLIENT_CPP_COMMAND_SAMPLING_FLAGS_H_
#define STRIDED_CLIENT_CPP_COMMAND_SAMPLING_FLAGS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "strided/v1/sampling.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace strided::client {

// One flag for each field of strided.v1.SamplingParams, with '-' for '_'. Values are kept as they
// were typed until Parse: the parser's own errors would name neither flag nor range.
class SamplingFlags {
 public:
  // This outlives the parsing. Called once.
  void AddTo(CLI::App* subcommand);

  // The fields whose flags were given; the others stay unset, so that the server's defaults hold.
  // UsageError where a value cannot be read.
  absl::StatusOr<v1::SamplingParams> Parse() const;

 private:
  absl::Status ParseScalars(v1::SamplingParams* params) const;
  absl::Status ParseLists(v1::SamplingParams* params) const;

  std::map<std::string, std::optional<std::string>> scalars_;  // by field name
  bool include_stop_ = false;
  std::vector<std::string> stop_sequences_;
  std::vector<std::string> stop_ids_;
  std::vector<std::string> logit_biases_;
  std::string allowed_ids_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_SAMPLING_FLAGS_H_
