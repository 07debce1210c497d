// One generation that may be longer than the model's context, read event by event.

#ifndef STRIDED_CLIENT_CPP_WINDOWED_GENERATION_H_
#define STRIDED_CLIENT_CPP_WINDOWED_GENERATION_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cpp/client.h"
#include "client/cpp/window_plan.h"
#include "client/cpp/windowed_record.h"

namespace strided::client {

// A pull-style stream like GenerateStream, and with its grammar: Started, then Delta and Progress,
// one Finished per sample, one Summary; positions count on over all windows. Learned positions
// forbid a longer sequence, so each window after the first is a request of its own that begins with
// the last tokens of a sample and has a seed mixed from the first one's (window_plan.h): the same
// request with the same seed gives the same tokens. What fits into the context is one plain
// request. Penalties count within a window.
//
// Breaks are resumed as GenerateStream does it, and a window that is refused for now is asked for
// again, as CallOptions::retry says. Samples are read in turn, and go on together.
//
// Used by one thread at a time; another may throw CallOptions::cancellation. The destructor
// cancels what still runs. Memory: two contexts of tokens for each sample.
class WindowedGeneration {
 public:
  // Checks the request against `model`, which is the one that it names, and starts. InvalidArgument
  // as PlanWindows. `options.cancellation` outlives the generation.
  static absl::StatusOr<std::unique_ptr<WindowedGeneration>> Start(const Client& client,
                                                                   const v1::Model& model,
                                                                   v1::GenerateRequest request,
                                                                   const WindowOptions& windows,
                                                                   const CallOptions& options = {});

  // Use Start.
  WindowedGeneration(const Client& client, WindowedRecord record, const CallOptions& options)
      : client_(client), options_(options), begin_(absl::Now()), record_(std::move(record)) {}

  // Waits for the next event. None: the generation ended well. An error ends it too, and is
  // repeated if asked again: as GenerateStream::Next; FailedPrecondition where the model's weights
  // have changed between two windows.
  absl::StatusOr<std::optional<v1::GenerateResponse>> Next();

 private:
  // The stream of one sample, or of all in the first window.
  struct Part {
    v1::GenerateRequest request;
    std::unique_ptr<GenerateStream> stream;
    bool started = false;
    int tries = 0;
  };

  // Reads the part whose turn it is; none where what it said is not for the caller.
  absl::StatusOr<std::optional<v1::GenerateResponse>> ReadPart();
  // Opens the part again after it was refused for now; the error where that is no use.
  absl::Status Reopen(Part& part, const absl::Status& refusal);
  void BeginWindow();

  const Client client_;
  const CallOptions options_;
  const absl::Time begin_;
  WindowedRecord record_;
  std::vector<Part> parts_;  // of this window, those that have not ended
  size_t turn_ = 0;
  absl::Status outcome_;  // the error that Next repeats
  bool ended_ = false;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_WINDOWED_GENERATION_H_
