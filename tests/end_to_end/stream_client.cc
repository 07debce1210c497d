// A client to be killed or frozen: makes one call and says what it sees.
//
//   stream_client ADDRESS generate|score REQUEST [MESSAGES]
//
// REQUEST is in protobuf's text format. Prints "called" once the call is on its way, then a line
// for each message: "started", "delta", "progress", "finished", "summary" or "scores"; after
// MESSAGES of them it reads no more. Never ends by itself.

#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <limits>
#include <memory>
#include <string>

#include "strided/v1/sampling.grpc.pb.h"

namespace strided {
namespace {

std::string KindOf(const v1::GenerateResponse& message) {
  if (message.has_started()) return "started";
  if (message.has_delta()) return "delta";
  if (message.has_progress()) return "progress";
  return message.has_finished() ? "finished" : "summary";
}
std::string KindOf(const v1::ScoreResponse&) { return "scores"; }

template <typename Response>
void ReadMessages(grpc::ClientReader<Response>& reader, int messages) {
  std::cout << "called" << std::endl;
  Response message;
  for (int i = 0; i < messages && reader.Read(&message); ++i) {
    std::cout << KindOf(message) << std::endl;
  }
  std::cout << "reads no more" << std::endl;
  while (true) pause();
}

// A stream's window as it starts, 64 KiB: gRPC would let it grow to megabytes, and a slow server
// take minutes to fill it.
std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

template <typename Request>
Request Parse(const char* text) {
  Request request;
  if (!google::protobuf::TextFormat::ParseFromString(text, &request)) {
    std::exit(2);  // NOLINT(concurrency-mt-unsafe): before there are threads of ours
  }
  return request;
}

}  // namespace
}  // namespace strided

int main(int argc, char** argv) {
  using namespace strided;
  if (argc < 4) return 2;
  const int messages = argc > 4 ? std::atoi(argv[4]) : std::numeric_limits<int>::max();
  const auto stub = v1::SamplingService::NewStub(ChannelTo(argv[1]));
  grpc::ClientContext context;
  if (std::string(argv[2]) == "score") {
    ReadMessages(*stub->Score(&context, Parse<v1::ScoreRequest>(argv[3])), messages);
  } else {
    ReadMessages(*stub->Generate(&context, Parse<v1::GenerateRequest>(argv[3])), messages);
  }
}
