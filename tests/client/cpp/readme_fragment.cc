#include <iostream>

#include "client/cpp/client.h"

absl::Status Print(strided::client::Client& client, const strided::v1::GenerateRequest& request) {
  const auto stream = client.Generate(request);
  while (true) {
    const auto event = stream->Next();
    if (!event.ok()) return event.status();  // the server's status, with its details
    if (!event->has_value()) return absl::OkStatus();
    if ((*event)->has_delta()) std::cout << (*event)->delta().raw() << std::flush;
  }
}
