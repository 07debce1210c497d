// Everything that the server counts and measures, in Prometheus' terms. The series' names, labels
// and buckets are listed in server/README.md.

#ifndef STRIDED_SERVER_OBSERVABILITY_METRICS_H_
#define STRIDED_SERVER_OBSERVABILITY_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace prometheus {
class Registry;
}

namespace strided {

// How a request ended; status_mapping.h of server/service says which status counts as which.
enum class RequestOutcome {
  kOk,
  kCancelled,      // by its client, or when the server ended
  kClientGone,     // gRPC does not tell it from a cancellation: always 0
  kDeadline,       // the client's deadline passed
  kRejectedQueue,  // max_requests were in the server already
  kRejectedQuota,  // no quotas yet: always 0
  kInvalid,        // a field, or the model's name, is wrong
  kSlowReader,     // cut off: its reader was behind for too long
  kEngineError,    // the server's own fault
  kDraining,       // refused by a server that is ending
};

// Why a request has no sequence in the batch.
enum class WaitReason {
  kCapacity,      // no slot, or no room for its caches
  kQuota,         // no quotas yet: always 0
  kPausedReader,  // its reader is behind, so its slots went to others
  kLoading,       // requests do not wait for a load yet: always 0
};

// What the rows of a step were: prompt or replayed tokens, tokens being drawn, or both.
enum class StepPhase { kPrefill, kDecode, kMixed };

// Bytes of caches: of sequences that hold a slot, still to be had, of kept prefixes (none yet).
enum class CacheState { kUsed, kFree, kSnapshot };
enum class MemoryKind { kWeights, kCache, kWorkspace, kFree };

// The series of one model version; every one is registered at 0. Thread-safe. No call blocks for
// longer than a look-up or allocates, other than SetFingerprint and CountDeviceRequests: the
// scheduler calls them in every step. Times are shown in seconds.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;

  // Once for each request that named this model, when it has ended.
  virtual void CountRequest(RequestOutcome outcome) = 0;
  // That went to a device, by its name, e.g. "cuda:0"; the series is made on the first call, which
  // may be with 0.
  virtual void CountDeviceRequests(absl::string_view device, int64_t requests) = 0;
  // With at least one sequence in the batch. Others wait.
  virtual void SetRequestsRunning(int requests) = 0;
  virtual void SetRequestsWaiting(WaitReason reason, int requests) = 0;
  // Sequences that hold a slot now, and how many may.
  virtual void SetSequencesRunning(int sequences) = 0;
  virtual void SetSlotsTotal(int slots) = 0;

  // The parts of one request's time, each once: from submission to its first slot; from there until
  // its prompt has been run; from there to its end (Generate alone).
  virtual void ObserveQueueTime(absl::Duration time) = 0;
  virtual void ObservePrefillTime(absl::Duration time) = 0;
  virtual void ObserveDecodeTime(absl::Duration time) = 0;
  // From arrival to the end, refused requests too.
  virtual void ObserveRequestTime(absl::Duration time) = 0;
  // From submission until the first token is on its way to the reader; once per request.
  virtual void ObserveTimeToFirstToken(absl::Duration time) = 0;
  // Between two tokens of one sequence, once per step and sequence; `times` of them were equal.
  virtual void ObserveInterTokenTime(absl::Duration time, int64_t times) = 0;
  // One step of the executor, with all its rows.
  virtual void ObserveStep(StepPhase phase, absl::Duration time, int rows) = 0;
  // From the call of Scheduler::Cancel until the request's slots were free.
  virtual void ObserveCancelToFree(absl::Duration time) = 0;

  // Of a request that gets its first slot.
  virtual void CountPromptTokens(int64_t tokens) = 0;
  // Drawn, whether a client was given them or not.
  virtual void CountGeneratedTokens(int64_t tokens) = 0;
  // That a kept cache saved from being run. No caches are kept yet: always 0.
  virtual void CountCachedPromptTokens(int64_t tokens) = 0;
  // A sequence gave its slot to another.
  virtual void CountPreemption() = 0;
  // Generated before, and run once more after a preemption or a resume.
  virtual void CountReplayedTokens(int64_t tokens) = 0;
  // Drawn for a request that ended with an error.
  virtual void CountWastedTokens(int64_t tokens) = 0;
  // A row whose logits held a NaN or an infinity.
  virtual void CountNonFiniteLogits() = 0;

  virtual void SetCacheBytes(CacheState state, int64_t bytes) = 0;
  // Readers that are behind, so that their sequences stand still.
  virtual void SetStreamsPaused(int streams) = 0;
  // Tokens of all streams that wait to be written: positive as they come, negative as they leave.
  virtual void AddMailboxTokens(int64_t change) = 0;
  // False while a step runs for too long, and for good once one has failed.
  virtual void SetEngineHealthy(bool healthy) = 0;
  // When a step ended.
  virtual void SetLastStep(absl::Time when) = 0;
  // "loading", "warming", "ready", "draining", "unloaded" or "failed": 1, the others 0.
  virtual void SetState(absl::string_view state) = 0;
  // What loading and warming took.
  virtual void SetLoadTime(absl::Duration time) = 0;
  // Shows `fingerprint` in strided_model_info; the one before goes.
  virtual void SetFingerprint(absl::string_view fingerprint) = 0;
};

// What is created must be released; a difference that stays is a leak. Tests and `/metrics` read
// it.
enum class LiveObject {
  kReactor,   // a streaming call, as long as gRPC knows of it
  kRequest,   // from its submission to its end
  kSequence,  // a sample, from the submission of its request to that one's end
  kSlot,      // a sample's place in the engine, while it holds one
};

// All series of a process. Thread-safe.
class Metrics {
 public:
  virtual ~Metrics() = default;

  // The series of one model version; made on the first call, alive as long as the Metrics, which
  // own them. `modality`: "text", "image" or "audio", a label of the counters of tokens.
  virtual ModelMetrics* ForModel(absl::string_view model, absl::string_view version,
                                 absl::string_view modality) = 0;

  // Makes the series of one method, all codes, at 0; the four calls below make them where that was
  // not done. `service` is the full name, e.g. "strided.v1.SamplingService"; `type` is "unary",
  // "server_stream", "client_stream" or "bidi_stream".
  virtual void RegisterRpc(absl::string_view service, absl::string_view method,
                           absl::string_view type) = 0;
  // A call has begun.
  virtual void CountRpcStarted(absl::string_view service, absl::string_view method,
                               absl::string_view type) = 0;
  // It has ended, after `time`. `code` is the canonical name, e.g. "INVALID_ARGUMENT".
  virtual void CountRpcHandled(absl::string_view service, absl::string_view method,
                               absl::string_view type, absl::string_view code,
                               absl::Duration time) = 0;
  // `messages` more have come, or gone; at least 0.
  virtual void CountMessagesReceived(absl::string_view service, absl::string_view method,
                                     absl::string_view type, int64_t messages) = 0;
  virtual void CountMessagesSent(absl::string_view service, absl::string_view method,
                                 absl::string_view type, int64_t messages) = 0;

  // Of a GPU, by its name, e.g. "cuda:0": what all models take there, and what nobody does. Made on
  // the first call.
  virtual void SetDeviceMemory(absl::string_view device, MemoryKind kind, int64_t bytes) = 0;

  // strided_objects_created_total and strided_objects_released_total.
  virtual void CountCreated(LiveObject object) = 0;
  virtual void CountReleased(LiveObject object) = 0;

  // What an exposer serves at /metrics. Shared, because a scrape may be under way when the Metrics
  // end.
  virtual std::shared_ptr<prometheus::Registry> registry() const = 0;
};

// Series in a Prometheus registry of their own, so that several may live in one process, as in
// tests. Nothing is served before a MetricsExposer is started.
std::unique_ptr<Metrics> CreateMetrics();

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_METRICS_H_
