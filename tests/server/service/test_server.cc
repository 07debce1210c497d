#include "tests/server/service/test_server.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"

namespace strided {

TestServer::TestServer(const TestServerOptions& options) : admission_(options.max_requests) {
  FakeModel model =
      MakeFakeModel(options.config, {.name = "fake",
                                     .version = "1",
                                     .scheduling = options.scheduling,
                                     .clock = &clock_,
                                     .metrics = metrics_->ForModel("fake", "1", "text"),
                                     .objects = metrics_.get(),
                                     .running = true});
  executor_ = model.executor;
  models_.Add(model.served);
  const ServiceContext context = {
      .models = &models_, .admission = &admission_, .metrics = metrics_.get(), .clock = &clock_};
  sampling_service_ = std::make_unique<SamplingService>(context);
  model_service_ = std::make_unique<ModelService>(context);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(sampling_service_.get());
  builder.RegisterService(model_service_.get());
  server_ = builder.BuildAndStart();
  sampling_stub_ = v1::SamplingService::NewStub(Connect());
  model_stub_ = v1::ModelService::NewStub(Connect());
}

TestServer::~TestServer() {
  Shutdown();
  EXPECT_EQ(admission_.tickets_out(), 0);
  // A job's end, which was waited for, may be told before its sequences are gone: the scheduler's
  // thread is joined here, and the executor, going after it, checks its slots.
  models_.Clear();
  EXPECT_EQ(Metric("strided_stream_mailbox_tokens", {}), 0);
  for (const char* object : {"reactor", "request", "sequence", "slot"}) {
    EXPECT_EQ(Metric("strided_objects_created_total", {{"object", object}}),
              Metric("strided_objects_released_total", {{"object", object}}))
        << object;
  }
}

void TestServer::Shutdown() {
  executor_->AllowAllSteps();
  server_->Shutdown();  // returns after the last call's OnDone
  EXPECT_TRUE(admission_.AwaitIdle(absl::InfiniteDuration()));
  // A job gives its place back before its last word to the call, which may be one that was
  // abandoned, kept by the service; its sequences go after that.
  const auto sequences = [this](const char* event) {
    return Metric(absl::StrCat("strided_objects_", event, "_total"), {{"object", "sequence"}});
  };
  while (sequences("created") != sequences("released")) std::this_thread::yield();
  sampling_service_.reset();
}

std::shared_ptr<grpc::Channel> TestServer::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                   grpc::InsecureChannelCredentials(), arguments);
}

double TestServer::Metric(const std::string& name,
                          const std::map<std::string, std::string>& labels) const {
  for (const prometheus::MetricFamily& family : metrics_->registry()->Collect()) {
    if (family.name != name) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      const bool all = std::all_of(labels.begin(), labels.end(), [&metric](const auto& label) {
        return std::any_of(metric.label.begin(), metric.label.end(), [&label](const auto& own) {
          return own.name == label.first && own.value == label.second;
        });
      });
      if (all) return metric.counter.value + metric.gauge.value;
    }
  }
  return 0;
}

int TestServer::OutcomesAtTheEnd(const std::string& outcome) {
  Shutdown();
  return static_cast<int>(Metric("strided_requests_total", {{"outcome", outcome}}));
}

namespace {

void Receive(const v1::Delta& delta, ReceivedSample& sample) {
  EXPECT_FALSE(sample.finished.has_value()) << "tokens after the sample's end";
  const size_t before = sample.raw.size() + sample.ids.size();
  if (!sample.first_position.has_value()) sample.first_position = delta.first_position();
  EXPECT_EQ(delta.first_position(), *sample.first_position + before) << "a gap";
  sample.raw += delta.raw();
  sample.ids.insert(sample.ids.end(), delta.ids().ids().begin(), delta.ids().ids().end());
  EXPECT_GT(sample.raw.size() + sample.ids.size(), before) << "an empty delta";
  const v1::LogProbs& log_probs = delta.log_probs();
  sample.log_probs.insert(sample.log_probs.end(), log_probs.chosen().begin(),
                          log_probs.chosen().end());
  sample.top_ids.insert(sample.top_ids.end(), log_probs.top_ids().begin(),
                        log_probs.top_ids().end());
  ++sample.deltas;
}

}  // namespace

ReceivedStream ReadAll(grpc::ClientReader<v1::GenerateResponse>& reader) {
  ReceivedStream stream;
  v1::GenerateResponse message;
  for (uint64_t index = 0; reader.Read(&message); ++index) {
    EXPECT_EQ(message.message_index(), index);
    EXPECT_EQ(message.has_started(), index == 0);
    EXPECT_FALSE(stream.summary.has_value()) << "a message after the summary";
    if (message.has_started()) stream.started = message.started();
    if (message.has_progress()) ++stream.progress_messages;
    if (message.has_summary()) stream.summary = message.summary();
    if (message.has_delta()) {
      Receive(message.delta(), stream.samples[message.delta().sample_index()]);
    }
    if (message.has_finished()) {
      ReceivedSample& sample = stream.samples[message.finished().sample_index()];
      EXPECT_FALSE(sample.finished.has_value()) << "a second end";
      sample.finished = message.finished();
    }
  }
  stream.status = reader.Finish();
  EXPECT_EQ(stream.status.ok(), stream.summary.has_value());
  return stream;
}

ReceivedStream Generate(TestServer& server, const v1::GenerateRequest& request) {
  grpc::ClientContext context;
  return ReadAll(*server.sampling().Generate(&context, request));
}

v1::GenerateRequest GenerateRequestOf(const std::string& text) {
  v1::GenerateRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::ErrorInfo info;
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.UnpackTo(&info)) return info;
  }
  return info;
}

std::string ExpectedRaw(const std::string& prompt, int tokens, uint64_t seed,
                        uint32_t sample_index) {
  SequenceSpec spec;
  spec.seed = seed;
  spec.sample_index = sample_index;
  int32_t input = prompt.empty() ? kStartInput : static_cast<uint8_t>(prompt.back());
  std::string raw;
  for (int i = 0; i < tokens; ++i) {
    input = FakeToken(spec, static_cast<int>(prompt.size()) + i, input, 256);
    raw.push_back(static_cast<char>(input));
  }
  return raw;
}

}  // namespace strided
