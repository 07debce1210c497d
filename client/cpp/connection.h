// How to reach a server, and as whom.

#ifndef STRIDED_CLIENT_CPP_CONNECTION_H_
#define STRIDED_CLIENT_CPP_CONNECTION_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided::client {

struct ConnectOptions {
  // "host:port", "[::1]:port" or "unix:/path"; ports from 1 to 65535.
  std::string address = "127.0.0.1:50051";

  // The roots that the server's certificate must descend from, PEM; empty: the system's. Setting
  // them turns TLS on.
  std::string tls_roots = "";
  bool tls = false;

  // Allows clear text to another machine; without it only this machine is reached without TLS.
  bool plaintext = false;

  // Sent with every call as "authorization: Bearer <token>"; empty: none.
  std::string token = "";
};

// Whether `address` cannot leave this machine: a Unix socket, localhost, 127.0.0.0/8 or ::1.
bool IsLocalAddress(absl::string_view address);

// A channel that connects on its first call, notices a dead peer within 40 seconds, and reconnects
// fast enough for RetryPolicy. InvalidArgument where the address has no port, the options
// contradict each other, would send clear text to another machine unasked, or hold what no header
// can carry. Thread-safe.
absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const ConnectOptions& options);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_CONNECTION_H_
