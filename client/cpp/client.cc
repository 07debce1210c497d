#include "client/cpp/client.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/cpp/call_context.h"
#include "client/cpp/error_details.h"
#include "client/cpp/retry.h"
#include "strided/v1/models.grpc.pb.h"
#include "strided/v1/sampling.grpc.pb.h"

namespace strided::client {
namespace {

// grpc.health.v1 is spoken with the well-known wrappers, which have its wire format: a request is
// {string service = 1}, a response {enum status = 1}. So the client needs no copy of a proto file
// that gRPC itself owns.
using HealthRequest = google::protobuf::StringValue;
using HealthResponse = google::protobuf::Int32Value;

Health HealthOf(int status) {
  switch (status) {
    case 1:
      return Health::kServing;
    case 2:
      return Health::kNotServing;
    case 3:
      return Health::kServiceUnknown;
    default:
      return Health::kUnknown;
  }
}

// `scores` with the next message of its stream. DataLoss where positions do not follow each other.
absl::StatusOr<Scores> Extended(Scores scores, const v1::ScoreResponse& message) {
  const auto known = static_cast<uint64_t>(scores.log_probs.chosen_size());
  if (known == 0) scores.first_position = message.first_position();
  if (message.log_probs().chosen_size() > 0 &&
      message.first_position() != scores.first_position + known) {
    return absl::DataLossError(absl::StrCat("scores go on at position ", message.first_position(),
                                            "; expected ", scores.first_position + known));
  }
  scores.log_probs.MergeFrom(message.log_probs());
  if (message.has_total_log_prob()) scores.total_log_prob = message.total_log_prob();
  if (message.has_bits_per_token()) scores.bits_per_token = message.bits_per_token();
  return scores;
}

}  // namespace

absl::StatusOr<Client> Client::Connect(const ConnectOptions& options) {
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = OpenChannel(options);
  if (!channel.ok()) return channel.status();
  return Client(*std::move(channel), options.token);
}

std::unique_ptr<GenerateStream> Client::Generate(const v1::GenerateRequest& request,
                                                 const CallOptions& options) const {
  return std::make_unique<GenerateStream>(channel_, token_, request, options);
}

absl::StatusOr<Scores> Client::Score(const v1::ScoreRequest& request,
                                     const CallOptions& options) const {
  absl::StatusOr<Scores> scores = ScoreOnce(request, options);
  for (int number = 0; number < options.retry.tries; ++number) {
    if (scores.ok() || !MaySucceedLater(scores.status())) return scores;
    absl::Status waited = WaitBeforeTry(number, scores.status(), options);
    if (!waited.ok()) return waited;
    scores = ScoreOnce(request, options);
  }
  return scores;
}

absl::StatusOr<Scores> Client::ScoreOnce(const v1::ScoreRequest& request,
                                         const CallOptions& options) const {
  CallContext context(token_, options);
  const auto stub = v1::SamplingService::NewStub(channel_);
  const auto reader = stub->Score(context.get(), request);
  Scores scores;
  bool totals = false;
  v1::ScoreResponse message;
  while (reader->Read(&message)) {
    absl::StatusOr<Scores> extended = Extended(std::move(scores), message);
    if (!extended.ok()) {
      context.get()->TryCancel();
      reader->Finish().ok();  // Cancelled, by us
      return extended.status();
    }
    scores = *std::move(extended);
    totals = message.has_total_log_prob();
  }
  absl::Status status = StatusOfCall(reader->Finish());
  if (!status.ok()) return status;
  if (!totals) return absl::InternalError("the server ended the scores without their total");
  return scores;
}

absl::StatusOr<std::vector<v1::Model>> Client::ListModels(const CallOptions& options) const {
  const auto stub = v1::ModelService::NewStub(channel_);
  std::vector<v1::Model> models;
  v1::ListModelsRequest request;
  do {
    CallContext context(token_, options);
    v1::ListModelsResponse response;
    absl::Status status = StatusOfCall(stub->ListModels(context.get(), request, &response));
    if (!status.ok()) return status;
    models.insert(models.end(), response.models().begin(), response.models().end());
    if (response.next_page_token() == request.page_token() && !request.page_token().empty()) {
      return absl::InternalError("the server's list of models does not end");
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return models;
}

absl::StatusOr<v1::Model> Client::GetModel(absl::string_view name,
                                           const CallOptions& options) const {
  CallContext context(token_, options);
  v1::GetModelRequest request;
  request.set_name(std::string(name));
  v1::GetModelResponse response;
  absl::Status status = StatusOfCall(
      v1::ModelService::NewStub(channel_)->GetModel(context.get(), request, &response));
  if (!status.ok()) return status;
  return std::move(*response.mutable_model());
}

absl::StatusOr<Health> Client::CheckHealth(absl::string_view service,
                                           const CallOptions& options) const {
  CallContext context(token_, options);
  HealthRequest request;
  request.set_value(std::string(service));
  HealthResponse response;
  grpc::Status outcome;
  absl::Notification done;
  grpc::TemplatedGenericStub<HealthRequest, HealthResponse> stub(channel_);
  stub.UnaryCall(context.get(), "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request,
                 &response, [&outcome, &done](grpc::Status status) {
                   outcome = std::move(status);
                   done.Notify();
                 });
  done.WaitForNotification();
  absl::Status status = StatusOfCall(outcome);
  if (absl::IsNotFound(status)) return Health::kServiceUnknown;  // what Check says instead of 3
  if (!status.ok()) return status;
  return HealthOf(response.value());
}

}  // namespace strided::client
