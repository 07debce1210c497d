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

enum class RequestOutcome {
  kOk,
  kCancelled,
  kClientGone,
  kDeadline,
  kRejectedQueue,
  kRejectedQuota,
  kInvalid,
  kSlowReader,
  kEngineError,
  kDraining,
};
enum class WaitReason { kCapacity, kQuota, kPausedReader, kLoading };
enum class StepPhase { kPrefill, kDecode, kMixed };
enum class CacheState { kUsed, kFree, kSnapshot };
enum class MemoryKind { kWeights, kCache, kWorkspace, kFree };

// The series of one model version; every one is registered at 0. Thread-safe.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;

  virtual void CountRequest(RequestOutcome outcome) = 0;
  virtual void SetRequestsRunning(int requests) = 0;
  virtual void SetRequestsWaiting(WaitReason reason, int requests) = 0;
  virtual void SetSequencesRunning(int sequences) = 0;
  virtual void SetSlotsTotal(int slots) = 0;

  virtual void ObserveQueueTime(absl::Duration time) = 0;
  virtual void ObservePrefillTime(absl::Duration time) = 0;
  virtual void ObserveDecodeTime(absl::Duration time) = 0;
  virtual void ObserveRequestTime(absl::Duration time) = 0;
  virtual void ObserveTimeToFirstToken(absl::Duration time) = 0;
  virtual void ObserveInterTokenTime(absl::Duration time) = 0;
  virtual void ObserveStep(StepPhase phase, absl::Duration time, int rows) = 0;
  virtual void ObserveCancelToFree(absl::Duration time) = 0;

  virtual void CountPromptTokens(int64_t tokens) = 0;
  virtual void CountGeneratedTokens(int64_t tokens) = 0;
  virtual void CountCachedPromptTokens(int64_t tokens) = 0;
  virtual void CountPreemption() = 0;
  virtual void CountReplayedTokens(int64_t tokens) = 0;
  virtual void CountWastedTokens(int64_t tokens) = 0;
  virtual void CountNonFiniteLogits() = 0;

  virtual void SetCacheBytes(CacheState state, int64_t bytes) = 0;
  virtual void SetStreamsPaused(int streams) = 0;
  virtual void AddMailboxTokens(int64_t change) = 0;  // negative as they leave
  virtual void SetEngineHealthy(bool healthy) = 0;
  virtual void SetLastStep(absl::Time when) = 0;
  // "loading", "warming", "ready", "draining", "unloaded" or "failed": 1, the others 0.
  virtual void SetState(absl::string_view state) = 0;
  virtual void SetLoadTime(absl::Duration time) = 0;
  virtual void SetFingerprint(absl::string_view fingerprint) = 0;
};

// What is created must be released; a difference that stays is a leak. Tests and `/metrics` read
// it.
enum class LiveObject { kReactor, kRequest, kSequence, kSlot };

// All series of a process. Thread-safe.
class Metrics {
 public:
  virtual ~Metrics() = default;

  // The series of one model version; made on the first call, alive as long as the Metrics.
  virtual ModelMetrics* ForModel(absl::string_view model, absl::string_view version,
                                 absl::string_view modality) = 0;

  // Makes the series of one method, all codes, at 0; the four calls below make them where that was
  // not done. `service` is the full name, e.g. "strided.v1.SamplingService"; `type` is "unary",
  // "server_stream", "client_stream" or "bidi_stream".
  virtual void RegisterRpc(absl::string_view service, absl::string_view method,
                           absl::string_view type) = 0;
  virtual void CountRpcStarted(absl::string_view service, absl::string_view method,
                               absl::string_view type) = 0;
  // `code` is the canonical name, e.g. "INVALID_ARGUMENT".
  virtual void CountRpcHandled(absl::string_view service, absl::string_view method,
                               absl::string_view type, absl::string_view code,
                               absl::Duration time) = 0;
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

  // What an exposer serves at /metrics.
  virtual std::shared_ptr<prometheus::Registry> registry() const = 0;
};

std::unique_ptr<Metrics> CreateMetrics();

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_METRICS_H_
