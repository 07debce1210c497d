#include "server/service/job_call.h"

#include <grpc/grpc.h>

#include <utility>

#include "engine/base/status_macros.h"
#include "server/service/request_report.h"
#include "server/service/status_mapping.h"

namespace strided {

JobCall::JobCall(const Site& site)
    : site_(site),
      recorder_(site.name, site.context.metrics, site.context.clock),
      live_(site.context.metrics, LiveObject::kReactor) {}

absl::StatusOr<const ServedModel*> JobCall::FindModel(absl::string_view reference) {
  ASSIGN_OR_RETURN(model_, context().models->Find(reference));
  return model_.get();
}

void JobCall::Submit(Job job, Ticket ticket, const StreamOptions& options) {
  request_id_ = job.request_id;
  stream_.emplace(options, context().clock, model_->metrics, this);
  request_.emplace(context().metrics, LiveObject::kRequest);
  stream_->Open();
  job_ = model_->scheduler->Submit(std::move(job), std::move(ticket), &*stream_);
  site_.calls->Add(shared_from_this());  // Done comes after the handler, and so after this
}

void JobCall::Refuse(const absl::Status& error) {
  {
    absl::MutexLock lock(&mu_);
    end_ = error;
  }
  SendStatus(ToGrpcStatus(error));
}

void JobCall::Abandon(const absl::Status& error) { stream_->Abandon(error); }

void JobCall::Cancelled() {
  const absl::Status reason = CancelReason();
  {
    absl::MutexLock lock(&mu_);
    cancellation_ = reason;
  }
  if (job_.has_value()) model_->scheduler->Cancel(*job_, reason);
}

// Nothing of ours says which it was. The client's own timer mostly runs out before the server's,
// and its deadline reaches us rounded up by at most 1 %.
absl::Status JobCall::CancelReason() const {
  const absl::Time now = absl::Now();
  const absl::Time deadline = absl::FromChrono(site_.rpc->deadline());
  const absl::Duration slack = absl::Milliseconds(20) + (deadline - arrival_) / 100;
  if (now + slack >= deadline) {
    return absl::DeadlineExceededError("the client's deadline has passed");
  }
  return absl::CancelledError("the client has cancelled the call or is gone");
}

void JobCall::Done() {
  site_.timer->Forget(this);
  RequestReport report{.method = recorder_.name().method,
                       .request_id = request_id_,
                       .traceparent = Traceparent(),
                       .peer = site_.rpc->peer(),
                       .model = model_,
                       .status = absl::OkStatus(),
                       .time = absl::ZeroDuration(),
                       .summary = stream_.has_value() ? stream_->summary() : JobSummary()};
  {
    absl::MutexLock lock(&mu_);
    report.status = end_.ok() ? cancellation_ : end_;
  }
  report.time = recorder_.End(report.status.code());
  ReportRequest(report);
  site_.calls->Remove(this);
  self_.reset();  // may destroy this
}

std::string JobCall::Traceparent() const {
  constexpr size_t kBytes = 55;  // of a version 00 traceparent; nothing longer is one
  const auto& metadata = site_.rpc->client_metadata();
  const auto found = metadata.find("traceparent");
  if (found == metadata.end() || found->second.size() > kBytes) return "";
  return std::string(found->second.data(), found->second.size());
}

void JobCall::Finish(const absl::Status& status) {
  {
    absl::MutexLock lock(&mu_);
    end_ = status;
  }
  request_.reset();
  SendStatus(ToGrpcStatus(status));
}

void JobCall::ResumeJob() { model_->scheduler->Wake(); }

// TryCancel would say CANCELLED. The trailers of this overtake what flow control holds back.
void JobCall::BreakOff(const absl::Status& status) {
  const grpc::Status wire = ToGrpcStatus(status);
  grpc_call_cancel_with_status(site_.rpc->c_call(),
                               static_cast<grpc_status_code>(wire.error_code()),
                               wire.error_message().c_str(), nullptr);
}

void JobCall::WakeAt(absl::Time when) { site_.timer->WakeAt(when, shared_from_this()); }

void JobCall::PumpSoon() { site_.timer->RunSoon(shared_from_this()); }

void JobCall::OnTurn() { stream_->OnTurn(); }

void JobCall::OnTimer() { stream_->OnTimer(); }

}  // namespace strided
