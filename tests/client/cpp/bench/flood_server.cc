// A server that costs as little as possible, for measuring what `stride-bench` itself can take:
//
//   flood_server                    prints its address, serves until it is killed
//
// A text model "text" whose tokens, one a message, are ready at once.

#include <unistd.h>

#include <iostream>
#include <utility>

#include "tests/client/cpp/messages.h"
#include "tests/client/cpp/scripted_server.h"

namespace strided::client {
namespace {

constexpr uint64_t kTogether = 64;  // messages that gRPC may put into one write to the socket

grpc::Status Flood(const v1::GenerateRequest& request, Script::GenerateWriter* writer) {
  const uint64_t prompt = request.prompt().raw().size();
  const uint64_t tokens = request.sampling().max_new_tokens();
  uint64_t index = 0;
  const auto write = [&](v1::GenerateResponse message) {
    grpc::WriteOptions options;
    if (index % kTogether != 0) options.set_buffer_hint();
    message.set_message_index(index++);
    return writer->Write(message, options);
  };
  bool flows = write(StartedMessage(/*samples=*/1, prompt));
  for (uint64_t i = 0; flows && i < tokens; ++i) flows = write(DeltaMessage(0, prompt + i, "a"));
  if (flows) flows = write(FinishedMessage(0, tokens)) && write(SummaryMessage());
  return flows ? grpc::Status::OK : grpc::Status::CANCELLED;
}

}  // namespace
}  // namespace strided::client

int main() {
  using namespace strided::client;
  Script script = {.models = {TextModel("text", uint64_t{1} << 30)}};
  script.generate = [](const strided::v1::GenerateRequest& request, int,
                       Script::GenerateWriter* writer) { return Flood(request, writer); };
  const ScriptedServer server(std::move(script));
  std::cout << server.address() << std::endl;
  pause();
}
