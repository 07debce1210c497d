// A server in the test's own process, on a loopback port of the system's choice, that does what the
// test says.

#ifndef STRIDED_TESTS_CLIENT_CPP_SCRIPTED_SERVER_H_
#define STRIDED_TESTS_CLIENT_CPP_SCRIPTED_SERVER_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "strided/v1/models.grpc.pb.h"
#include "strided/v1/sampling.grpc.pb.h"

namespace strided::client {

// What the server does. Handlers run on gRPC's threads, several at a time; `call` counts a
// handler's calls from 0. A handler that is not set answers UNIMPLEMENTED.
struct Script {
  using GenerateWriter = grpc::ServerWriter<v1::GenerateResponse>;
  using ScoreWriter = grpc::ServerWriter<v1::ScoreResponse>;
  std::function<grpc::Status(const v1::GenerateRequest&, int call, GenerateWriter*)> generate = {};
  std::function<grpc::Status(const v1::ScoreRequest&, int call, ScoreWriter*)> score = {};
  std::vector<v1::Model> models = {};
  int models_per_page = 2;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
};

class ScriptedServer {
 public:
  // Serves until destroyed; grpc.health.v1 says SERVING.
  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  const std::string& address() const { return address_; }

  void SetServing(bool serving);

  // Every Generate request so far, in order of arrival.
  std::vector<v1::GenerateRequest> generate_requests() const;

  // The "authorization" metadata of the last call; empty where there was none.
  std::string last_authorization() const;

  // Waits until `count` Generate calls have been cancelled by their client.
  void AwaitCancelled(int count) const;

 private:
  class Sampling;
  class Models;

  // What the services and the test share.
  struct Record {
    mutable absl::Mutex mu;
    std::vector<v1::GenerateRequest> generate_requests ABSL_GUARDED_BY(mu);
    int score_calls ABSL_GUARDED_BY(mu) = 0;
    int cancelled ABSL_GUARDED_BY(mu) = 0;
    std::string authorization ABSL_GUARDED_BY(mu);

    void NoteMetadata(const grpc::ServerContext& context) ABSL_LOCKS_EXCLUDED(mu);
  };

  const Script script_;
  Record record_;
  std::string address_;
  std::unique_ptr<Sampling> sampling_;
  std::unique_ptr<Models> models_;
  std::unique_ptr<grpc::Server> server_;
};

// A model description with every field that the client looks at.
v1::Model TextModel(const std::string& name, uint64_t context_length);
v1::Model ImageModel(uint32_t height, uint32_t width, uint32_t channels);
v1::Model AudioModel(uint32_t sample_rate_hz);

}  // namespace strided::client

#endif  // STRIDED_TESTS_CLIENT_CPP_SCRIPTED_SERVER_H_
