// One RPC that runs one job, apart from the types of its messages: lookup, admission, the token
// stream, cancellation, and what is counted and logged.
//
//   gRPC thread, in the handler   FindModel, parse, Admit, Submit; or Refuse
//   scheduler thread              -> TokenStream -> Write ... Finish
//   gRPC threads                  WriteDone -> TokenStream; Cancelled -> Scheduler::Cancel
//   gRPC thread, last             Done: report, and let go
//
// Life: gRPC holds the call until Done. That comes after StreamCall::Finish, and so after the
// scheduler's last word. The timer's thread may be in OnTimer then: so the two share the call, and
// the later one ends it.

#ifndef STRIDED_SERVER_SERVICE_JOB_CALL_H_
#define STRIDED_SERVER_SERVICE_JOB_CALL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/repository/served_model.h"
#include "server/scheduling/admission.h"
#include "server/scheduling/job.h"
#include "server/scheduling/scheduling_metrics.h"
#include "server/service/live_calls.h"
#include "server/service/rpc_recorder.h"
#include "server/service/service_context.h"
#include "server/service/stream_timer.h"
#include "server/service/token_stream.h"

namespace strided {

class JobCall : public StreamCall,
                public TimerClient,
                public std::enable_shared_from_this<JobCall> {
 public:
  // What a service hands to each of its calls. Nothing is owned; all of it outlives the call.
  struct Site {
    ServiceContext context;
    StreamTimer* timer;
    LiveCalls* calls;
    grpc::CallbackServerContext* rpc;
    RpcName name;
  };

  // TimerClient.
  void OnTimer() override;
  void OnTurn() override;

  // Ends a call whose job was submitted, though its scheduler hangs: `error` is not OK. The call
  // must be kept from then on, because the scheduler has its stream (LiveCalls). From any thread.
  void Abandon(const absl::Status& error);

 protected:
  explicit JobCall(const Site& site);

  // Keeps `self`, this call, until Done.
  void Hold(std::shared_ptr<JobCall> self) { self_ = std::move(self); }

  // ---- In the handler, before gRPC knows of the call. ----

  const ServiceContext& context() const { return site_.context; }
  // Looks the model up and remembers it for the report. Errors as of ModelSource::Find.
  absl::StatusOr<const ServedModel*> FindModel(absl::string_view reference);
  // Opens the stream and hands the job over. After FindModel; errors come through the stream.
  void Submit(Job job, Ticket ticket, const StreamOptions& options);
  // Ends a call that submitted nothing. `error` is not OK.
  void Refuse(const absl::Status& error);

  // ---- Reactions, from gRPC's threads. ----

  void WriteDone(bool ok) { stream_->OnWriteDone(ok); }
  void Cancelled() ABSL_LOCKS_EXCLUDED(mu_);
  void Done() ABSL_LOCKS_EXCLUDED(mu_);

  RpcRecorder& recorder() { return recorder_; }

  // Ends the RPC. The last thing that is asked of it.
  virtual void SendStatus(grpc::Status status) = 0;

 private:
  // StreamCall, but for Write.
  void Finish(const absl::Status& status) override ABSL_LOCKS_EXCLUDED(mu_);
  void ResumeJob() override;
  void BreakOff(const absl::Status& status) override;
  void WakeAt(absl::Time when) override;
  void PumpSoon() override;

  absl::Status CancelReason() const;
  std::string Traceparent() const;

  const Site site_;
  const absl::Time arrival_ = absl::Now();  // by the clock of gRPC's deadlines
  RpcRecorder recorder_;
  const LiveCount live_;
  // Set in the handler, constant after it.
  std::shared_ptr<const ServedModel> model_;
  std::optional<TokenStream> stream_;
  std::string request_id_;
  std::optional<JobId> job_;
  std::optional<LiveCount> request_;  // from Submit to Finish

  absl::Mutex mu_;                         // never held while anything is called
  absl::Status end_ ABSL_GUARDED_BY(mu_);  // as sent
  // OK while nobody has cancelled; may come after an OK end that the client did not wait for.
  absl::Status cancellation_ ABSL_GUARDED_BY(mu_);

  std::shared_ptr<JobCall> self_;  // until Done
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_JOB_CALL_H_
