// A server on loopback with one model of known tokens, and a client that checks what it reads.

#ifndef STRIDED_TESTS_SERVER_SERVICE_TEST_SERVER_H_
#define STRIDED_TESTS_SERVER_SERVICE_TEST_SERVER_H_

#include <google/rpc/error_details.pb.h>
#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/observability/metrics.h"
#include "server/scheduling/admission.h"
#include "server/service/model_service.h"
#include "server/service/sampling_service.h"
#include "strided/v1/models.grpc.pb.h"
#include "strided/v1/sampling.grpc.pb.h"
#include "tests/server/service/fake_model.h"

namespace strided {

struct TestServerOptions {
  ModelConfig config = TextConfig();
  SchedulerOptions scheduling = {};
  int max_requests = 100;
};

// Ends with every step let through, and checks that whatever was created has been released.
class TestServer {
 public:
  explicit TestServer(const TestServerOptions& options = {});
  ~TestServer();

  GatedExecutor& executor() { return *executor_; }
  Admission& admission() { return admission_; }
  FakeModels& models() { return models_; }
  SamplingService& service() { return *sampling_service_; }

  // A client with a connection of its own.
  std::shared_ptr<grpc::Channel> Connect() const;
  v1::SamplingService::Stub& sampling() { return *sampling_stub_; }
  v1::ModelService::Stub& model_stub() { return *model_stub_; }

  // The value of a series whose labels include `labels`; 0 where there is none.
  double Metric(const std::string& name, const std::map<std::string, std::string>& labels) const;
  // Waits for every call to be over, then says how many requests had that outcome.
  int OutcomesAtTheEnd(const std::string& outcome);

 private:
  void Shutdown();

  SystemClock clock_;
  std::unique_ptr<Metrics> metrics_ = CreateMetrics();
  Admission admission_;
  FakeModels models_;
  GatedExecutor* executor_;
  std::unique_ptr<SamplingService> sampling_service_;
  std::unique_ptr<ModelService> model_service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::unique_ptr<v1::SamplingService::Stub> sampling_stub_;
  std::unique_ptr<v1::ModelService::Stub> model_stub_;
};

// What came of one sample.
struct ReceivedSample {
  std::string raw;
  std::vector<uint32_t> ids;
  std::vector<float> log_probs;
  std::vector<uint32_t> top_ids;
  std::optional<uint64_t> first_position;
  int deltas = 0;
  std::optional<v1::Finished> finished;
};

// A whole Generate stream. Reading it checks its grammar: numbered messages, Started first,
// positions without gaps, one end per sample after its tokens, a summary last and only where OK.
struct ReceivedStream {
  v1::Started started;
  std::map<uint32_t, ReceivedSample> samples;
  std::optional<v1::Summary> summary;
  int progress_messages = 0;
  grpc::Status status;

  const std::string& raw(uint32_t sample = 0) { return samples[sample].raw; }
};
ReceivedStream ReadAll(grpc::ClientReader<v1::GenerateResponse>& reader);
ReceivedStream Generate(TestServer& server, const v1::GenerateRequest& request);

// From a request in protobuf's text format.
v1::GenerateRequest GenerateRequestOf(const std::string& text);

// The ErrorInfo of a status; empty where it has none.
google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status);

// What the fake model draws after `prompt`, without any server.
std::string ExpectedRaw(const std::string& prompt, int tokens, uint64_t seed,
                        uint32_t sample_index = 0);

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SERVICE_TEST_SERVER_H_
