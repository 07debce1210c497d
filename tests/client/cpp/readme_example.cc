#include <cstdlib>
#include <iostream>

#include "client/cpp/client.h"
#include "client/cpp/error_details.h"

int main(int argc, char** argv) {
  const auto client =
      strided::client::Client::Connect({.address = argc > 1 ? argv[1] : "127.0.0.1:50051"});
  if (!client.ok()) {
    std::cerr << client.status() << "\n";
    return EXIT_FAILURE;
  }
  strided::v1::GenerateRequest request;
  request.set_model("text");
  request.mutable_prompt()->set_raw("The history of ");
  request.mutable_sampling()->set_max_new_tokens(200);
  request.mutable_sampling()->set_temperature(0.8F);

  const auto stream = client->Generate(request, {.deadline = absl::Now() + absl::Minutes(1)});
  while (true) {
    const auto event = stream->Next();
    if (!event.ok()) {
      std::cerr << event.status().message() << "\n"
                << "reason: " << strided::client::DetailsOf(event.status()).reason << "\n";
      return EXIT_FAILURE;
    }
    if (!event->has_value()) break;  // the generation has ended well
    if ((*event)->has_delta()) std::cout << (*event)->delta().raw() << std::flush;
  }
  std::cout << "\n";
  return EXIT_SUCCESS;
}
