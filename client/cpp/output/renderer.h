// What becomes of a generation's events.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_RENDERER_H_
#define STRIDED_CLIENT_CPP_OUTPUT_RENDERER_H_

#include "absl/status/status.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Made when Started has come, of which a renderer takes what it needs. Used by one thread.
class Renderer {
 public:
  virtual ~Renderer() = default;

  // The next event after Started. An error ends the generation: the output cannot be written, or
  // the event holds what this renderer cannot show.
  virtual absl::Status Render(const v1::GenerateResponse& event) = 0;

  // No event comes any more, whether the stream ended well or broke off: writes what was waiting,
  // as far as it has arrived. Called once.
  virtual absl::Status End() = 0;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_RENDERER_H_
