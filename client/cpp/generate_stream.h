// One generation, read event by event, over as many streams as it takes.

#ifndef STRIDED_CLIENT_CPP_GENERATE_STREAM_H_
#define STRIDED_CLIENT_CPP_GENERATE_STREAM_H_

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cpp/call_options.h"
#include "client/cpp/generation_record.h"
#include "strided/v1/sampling.grpc.pb.h"

namespace strided::client {

// A pull-style stream: Started, then Delta and Progress, one Finished per sample, one Summary.
//
// When the connection breaks after Started, the unfinished samples are resumed, each on a stream
// of its own, with the seed, the fingerprint and the tokens that have arrived; the caller sees no
// seam, and the same bytes as without the break. Tries that bring no new token are bounded by
// CallOptions::retry. Errors before Started are returned at once: nothing is lost by asking again.
//
// Used by one thread at a time; another may throw CallOptions::cancellation. The destructor
// cancels what still runs. No thread of its own: reading slowly slows the server down.
class GenerateStream {
 public:
  // Starts the call. `channel` is shared with gRPC's own threads.
  GenerateStream(std::shared_ptr<grpc::Channel> channel, std::string token,
                 const v1::GenerateRequest& request, const CallOptions& options);
  ~GenerateStream();
  GenerateStream(const GenerateStream&) = delete;
  GenerateStream& operator=(const GenerateStream&) = delete;

  // Waits for the next event. None: the generation ended well. An error ends it too, and is
  // repeated if asked again: the server's status with its details (error_details.h), Cancelled, or
  // DeadlineExceeded.
  absl::StatusOr<std::optional<v1::GenerateResponse>> Next();

  // How often the connection broke and was taken up again.
  int resumptions() const { return resumptions_; }

 private:
  struct Carrier;  // one stream of the generation; at most one operation in flight

  void Open(const v1::GenerateRequest& request);
  // Takes the result of the carrier's operation, and starts the next one.
  absl::StatusOr<std::optional<v1::GenerateResponse>> Advance(Carrier* carrier, bool ok);
  absl::Status CloseCarrier(Carrier* carrier);
  // With no carrier left: the end, the closing summary, or a resumption after a wait.
  absl::StatusOr<std::optional<v1::GenerateResponse>> Continue();
  absl::Status WaitToResume();

  const std::unique_ptr<v1::SamplingService::Stub> stub_;
  const std::string token_;
  const CallOptions options_;
  const absl::Time begin_;
  GenerationRecord record_;
  absl::Status outcome_;  // the error that Next repeats
  absl::Status break_;    // why the last carrier broke; OK while none has
  bool ended_ = false;
  int tries_ = 0;  // since the last new token
  uint64_t tokens_at_last_try_ = 0;
  int resumptions_ = 0;
  grpc::CompletionQueue queue_;  // outlives the carriers, whose operations name it
  std::vector<std::unique_ptr<Carrier>> carriers_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_GENERATE_STREAM_H_
