// One Generate call.

#ifndef STRIDED_SERVER_SERVICE_GENERATE_REACTOR_H_
#define STRIDED_SERVER_SERVICE_GENERATE_REACTOR_H_

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "server/service/generate_encoder.h"
#include "server/service/stream_reactor.h"

namespace strided {

// Runs the samples of a request as one job, and sends what it draws. Threads and life are as
// job_call.h says.
class GenerateReactor final : public StreamReactor<GenerateEncoder> {
 public:
  explicit GenerateReactor(const Site& site) : StreamReactor(site) {}

  // Parses, looks the model up, admits, submits; refuses at the first of these that fails. The
  // reactor owns itself until gRPC is done with it. `request` is not needed after this returns.
  static GenerateReactor* Launch(const Site& site, const grpc::ByteBuffer& request);

 private:
  // The error of the step that failed; nothing was submitted then.
  absl::Status Begin(const grpc::ByteBuffer& bytes);
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_GENERATE_REACTOR_H_
