// Asks the system whether an address can be listened on, to say why not: gRPC and CivetWeb only say
// that it cannot.

#ifndef STRIDED_SERVER_ADDRESS_PROBE_H_
#define STRIDED_SERVER_ADDRESS_PROBE_H_

#include <string>

#include "absl/status/status.h"

namespace strided {

// `address` as ParseListenAddress takes it. FailedPrecondition, with the address and the reason,
// where a bind to it fails, where its host has no address, or where another process listens on its
// Unix socket; a socket that nobody listens on any more is no hindrance. Somebody else may take the
// address after this.
absl::Status CheckCanListen(const std::string& address);

}  // namespace strided

#endif  // STRIDED_SERVER_ADDRESS_PROBE_H_
