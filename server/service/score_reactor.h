// One Score call.

#ifndef STRIDED_SERVER_SERVICE_SCORE_REACTOR_H_
#define STRIDED_SERVER_SERVICE_SCORE_REACTOR_H_

#include "absl/status/status.h"
#include "server/service/score_encoder.h"
#include "server/service/stream_reactor.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

class ScoreReactor final : public StreamReactor<ScoreEncoder> {
 public:
  explicit ScoreReactor(const Site& site) : StreamReactor(site) {}

  // As GenerateReactor::Launch.
  static ScoreReactor* Launch(const Site& site, const v1::ScoreRequest& request);

 private:
  absl::Status Begin(const v1::ScoreRequest& request);
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SCORE_REACTOR_H_
