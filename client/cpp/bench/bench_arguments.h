// The command line of `stride-bench`, and the load that it means.

#ifndef STRIDED_CLIENT_CPP_BENCH_BENCH_ARGUMENTS_H_
#define STRIDED_CLIENT_CPP_BENCH_BENCH_ARGUMENTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/bench/request_source.h"
#include "client/cpp/bench/schedule.h"
#include "client/cpp/command/connection_arguments.h"
#include "client/cpp/command/sampling_flags.h"
#include "strided/v1/models.pb.h"
#include "strided/v1/sampling.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace strided::client {

// Filled in by the parser; texts are as they were typed.
struct BenchArguments {
  ConnectionArguments connection{""};
  SamplingFlags sampling;
  std::string model;
  bool score = false;
  std::optional<std::string> streams;
  std::optional<std::string> think_time;
  std::optional<std::string> arrival_rate;
  std::optional<std::string> warmup;
  std::optional<std::string> duration;
  std::optional<std::string> requests;
  std::optional<std::string> prompt_tokens;
  std::string prompt_file;
  std::optional<std::string> load_seed;
  std::optional<std::string> max_tokens_per_message;
  std::optional<std::string> threads;
  std::optional<std::string> channels;
  std::string json;  // path, or "-"
  bool quiet = false;

  void AddTo(CLI::App* program);
};

// What the command line asks for, whatever the model.
struct BenchOrder {
  LoadPlan plan;
  int threads = 1;
  int channels = 1;          // no fewer than threads
  v1::GenerateRequest base;  // sampling and output of every request
};

// UsageErrors name the flag.
absl::StatusOr<BenchOrder> OrderOf(const BenchArguments& arguments);

// What is sent to `model`; reads --prompt-file. UsageErrors name the flag or the file.
absl::StatusOr<RequestSource::Sequences> SequencesOf(const BenchArguments& arguments,
                                                     const v1::Model& model);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_BENCH_ARGUMENTS_H_
