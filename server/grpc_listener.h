// The gRPC server on its addresses, with the limits of a connection.

#ifndef STRIDED_SERVER_GRPC_LISTENER_H_
#define STRIDED_SERVER_GRPC_LISTENER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/settings.h"

namespace strided {

// A server that listens, and where. Destroying it ends the calls that are open; Shutdown with a
// deadline lets them end by themselves.
struct GrpcListener {
  std::unique_ptr<grpc::Server> server;  // started; serves until Shutdown
  std::vector<std::string> addresses;    // as in the settings, with the real ports
};

// Serves `services`, which outlive the server, and reflection. FailedPrecondition, with the address
// and the reason, where one of the addresses cannot be listened on: then none is.
absl::StatusOr<GrpcListener> ListenGrpc(const ListenSettings& settings,
                                        const std::vector<grpc::Service*>& services);

// The messages of gRPC and protobuf go to the structured log. Once, before either is used.
void RouteLibraryLogs();

}  // namespace strided

#endif  // STRIDED_SERVER_GRPC_LISTENER_H_
