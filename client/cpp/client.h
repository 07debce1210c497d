// Strided's C++ client.
//
//   ASSIGN client = Client::Connect({.address = "127.0.0.1:50051"});
//   std::unique_ptr<GenerateStream> stream = client->Generate(request);
//   while (true) {
//     auto event = stream->Next();
//     if (!event.ok()) ...              // the server's status, with its details
//     if (!event->has_value()) break;   // the end
//     if ((*event)->has_delta()) ...
//   }

#ifndef STRIDED_CLIENT_CPP_CLIENT_H_
#define STRIDED_CLIENT_CPP_CLIENT_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/call_options.h"
#include "client/cpp/connection.h"
#include "client/cpp/generate_stream.h"
#include "strided/v1/models.pb.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// The log-probabilities of a sequence, natural, under the model's own distribution.
struct Scores {
  uint64_t first_position = 0;  // of the first entry of log_probs
  v1::LogProbs log_probs;       // of every scored position
  double total_log_prob = 0;
  double bits_per_token = 0;
};

// As grpc.health.v1 says.
enum class Health { kUnknown, kServing, kNotServing, kServiceUnknown };

// Cheap to copy: copies share one connection. Thread-safe; calls block their caller only. Every
// error of a call carries the server's code and text, and its details (error_details.h).
class Client {
 public:
  // Checks the options; connects with the first call. InvalidArgument as OpenChannel.
  static absl::StatusOr<Client> Connect(const ConnectOptions& options);

  // Starts a generation and returns at once. Never null; errors come from Next. The stream may
  // outlive the client.
  std::unique_ptr<GenerateStream> Generate(const v1::GenerateRequest& request,
                                           const CallOptions& options = {}) const;

  // Waits for all scores of one sequence, at most the model's context long. Scoring changes
  // nothing on the server, so a call that may succeed later is tried again, as options.retry says.
  // DataLoss where the server's positions have a gap, Internal where its totals are missing.
  absl::StatusOr<Scores> Score(const v1::ScoreRequest& request,
                               const CallOptions& options = {}) const;

  // Every version of every model, by name, then version; all pages. Internal where the server's
  // pages do not end.
  absl::StatusOr<std::vector<v1::Model>> ListModels(const CallOptions& options = {}) const;

  // `name` is "name" or "name/version". NotFound where the server has no such model.
  absl::StatusOr<v1::Model> GetModel(absl::string_view name, const CallOptions& options = {}) const;

  // The health of `service`, e.g. "strided.v1.SamplingService"; empty: of the server as a whole.
  // One that the server does not know is kServiceUnknown, not an error.
  absl::StatusOr<Health> CheckHealth(absl::string_view service = "",
                                     const CallOptions& options = {}) const;

 private:
  Client(std::shared_ptr<grpc::Channel> channel, std::string token)
      : channel_(std::move(channel)), token_(std::move(token)) {}

  absl::StatusOr<Scores> ScoreOnce(const v1::ScoreRequest& request,
                                   const CallOptions& options) const;

  std::shared_ptr<grpc::Channel> channel_;  // shared with the calls that run on it
  std::string token_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_CLIENT_H_
