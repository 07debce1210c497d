// The real server, `strided`, over models that a test has written.

#ifndef STRIDED_TESTS_END_TO_END_RUNNING_SERVER_H_
#define STRIDED_TESTS_END_TO_END_RUNNING_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "strided/v1/sampling.grpc.pb.h"
#include "tests/end_to_end/child_process.h"
#include "tests/testing/temporary_directory.h"

namespace strided {

// A text model of bytes, small and fast, with a context that no test comes to the end of.
inline constexpr int kContextLength = 1 << 20;

// Writes such a model as "text/1". A larger d_model makes it slower.
void WriteTextModel(const TemporaryDirectory& root, int d_model = 8);

// Started and ready; killed when destroyed, unless it has ended.
class RunningServer {
 public:
  // Beside `arguments`: a repository with WriteTextModel, free ports on loopback, no drain delay.
  // The test fails where the server does not become ready; then nothing else may be called.
  explicit RunningServer(const std::vector<std::string>& arguments = {});

  ChildProcess& process() { return process_; }
  bool ready() const { return !address_.empty(); }
  const std::string& address() const { return address_; }  // of the first --listen

  // A client with a connection of its own.
  std::unique_ptr<v1::SamplingService::Stub> NewStub() const;
  std::shared_ptr<grpc::Channel> NewChannel() const;

  // The value of a series, scraped now; -1 where there is none.
  double Series(absl::string_view series) const;
  // Whether nothing is left of any request: no sequence runs, and of every kind of object as many
  // were released as were created.
  bool NothingIsLeft() const;

 private:
  TemporaryDirectory models_;
  ChildProcess process_;
  std::string address_;
  std::string metrics_address_;
};

// The path of the server's program.
std::string StridedProgram();
// The path of tests/end_to_end/stream_client.cc, built.
std::string StreamClientProgram();

// A request for `tokens` tokens.
v1::GenerateRequest RequestFor(uint32_t tokens, uint64_t seed = 1, const std::string& prompt = "");

// A whole stream, in memory.
struct Received {
  std::string raw;  // of sample 0
  bool summary = false;
  grpc::Status status;
};
Received ReadAll(grpc::ClientReader<v1::GenerateResponse>& reader);
// A request's stream on a stub, from its start to its end.
Received Generate(v1::SamplingService::Stub& stub, const v1::GenerateRequest& request);

// The reason of a status' google.rpc.ErrorInfo; empty where it has none.
std::string ReasonOf(const grpc::Status& status);

}  // namespace strided

#endif  // STRIDED_TESTS_END_TO_END_RUNNING_SERVER_H_
