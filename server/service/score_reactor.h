// One Score call.

#ifndef STRIDED_SERVER_SERVICE_SCORE_REACTOR_H_
#define STRIDED_SERVER_SERVICE_SCORE_REACTOR_H_

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "server/service/score_encoder.h"
#include "server/service/stream_reactor.h"

namespace strided {

// Runs a sequence through its model as one job of kind kScore, and sends what it scores. Threads
// and life are as job_call.h says.
class ScoreReactor final : public StreamReactor<ScoreEncoder> {
 public:
  explicit ScoreReactor(const Site& site) : StreamReactor(site) {}

  // As GenerateReactor::Launch: parses, looks the model up, admits, submits; refuses at the first
  // of these that fails. `request` is not needed after this returns.
  static ScoreReactor* Launch(const Site& site, const grpc::ByteBuffer& request);

 private:
  // The error of the step that failed; nothing was submitted then.
  absl::Status Begin(const grpc::ByteBuffer& bytes);
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SCORE_REACTOR_H_
