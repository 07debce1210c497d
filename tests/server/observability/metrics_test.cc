#include "server/observability/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/server/observability/exposition.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

double Value(const Metrics& metrics, absl::string_view series) {
  const absl::StatusOr<double> value = SeriesValue(Exposition(metrics), series);
  EXPECT_OK(value);
  return value.value_or(-1);
}

TEST(MetricsTest, EverySeriesOfAModelIsThereAtZero) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->ForModel("m", "3", "text");
  const std::string exposition = Exposition(*metrics);
  for (const char* series : {
           R"(strided_requests_total{model="m",outcome="slow_reader",version="3"})",
           R"(strided_requests_running{model="m",version="3"})",
           R"(strided_requests_waiting{model="m",reason="paused_reader",version="3"})",
           R"(strided_sequences_running{model="m",version="3"})",
           R"(strided_slots_total{model="m",version="3"})",
           R"(strided_queue_seconds_bucket{model="m",version="3",le="0.0005"})",
           R"(strided_queue_seconds_bucket{model="m",version="3",le="1800"})",
           R"(strided_prefill_seconds_count{model="m",version="3"})",
           R"(strided_decode_seconds_sum{model="m",version="3"})",
           R"(strided_request_seconds_bucket{model="m",version="3",le="+Inf"})",
           R"(strided_time_to_first_token_seconds_bucket{model="m",version="3",le="0.15"})",
           R"(strided_inter_token_seconds_bucket{model="m",version="3",le="0.0075"})",
           R"(strided_prompt_tokens_total{modality="text",model="m",version="3"})",
           R"(strided_generated_tokens_total{modality="text",model="m",version="3"})",
           R"(strided_cached_prompt_tokens_total{modality="text",model="m",version="3"})",
           R"(strided_step_seconds_count{model="m",phase="mixed",version="3"})",
           R"(strided_step_batch_size_bucket{model="m",phase="decode",version="3",le="1024"})",
           R"(strided_cache_bytes{model="m",state="snapshot",version="3"})",
           R"(strided_preemptions_total{model="m",version="3"})",
           R"(strided_replayed_tokens_total{model="m",version="3"})",
           R"(strided_wasted_tokens_total{model="m",version="3"})",
           R"(strided_stream_paused{model="m",version="3"})",
           R"(strided_stream_mailbox_tokens{model="m",version="3"})",
           R"(strided_cancel_to_free_seconds_bucket{model="m",version="3",le="5"})",
           R"(strided_model_state{model="m",state="failed",version="3"})",
           R"(strided_model_load_seconds{model="m",version="3"})",
           R"(strided_engine_healthy{model="m",version="3"})",
           R"(strided_engine_last_step_timestamp_seconds{model="m",version="3"})",
           R"(strided_non_finite_logits_total{model="m",version="3"})",
           R"(strided_objects_created_total{object="reactor"})",
           R"(strided_objects_released_total{object="slot"})",
       }) {
    EXPECT_THAT(SeriesValue(exposition, series), IsOkAndHolds(0)) << series;
  }
}

TEST(MetricsTest, TheMemoryOfADeviceIsShownByKind) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->SetDeviceMemory("cuda:1", MemoryKind::kWeights, 100);
  metrics->SetDeviceMemory("cuda:1", MemoryKind::kFree, 7);
  metrics->SetDeviceMemory("cuda:1", MemoryKind::kWeights, 300);
  EXPECT_EQ(Value(*metrics, R"(strided_device_memory_bytes{device="cuda:1",kind="weights"})"), 300);
  EXPECT_EQ(Value(*metrics, R"(strided_device_memory_bytes{device="cuda:1",kind="free"})"), 7);
}

TEST(MetricsTest, RequestsAreCountedByTheDeviceTheyWentTo) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  ModelMetrics* const model = metrics->ForModel("m", "1", "text");
  model->CountDeviceRequests("cuda:0", 0);
  model->CountDeviceRequests("cuda:1", 1);
  model->CountDeviceRequests("cuda:1", 2);
  const std::string labels = R"(model="m",version="1"})";
  EXPECT_EQ(Value(*metrics, R"(strided_device_requests_total{device="cuda:0",)" + labels), 0);
  EXPECT_EQ(Value(*metrics, R"(strided_device_requests_total{device="cuda:1",)" + labels), 3);
}

TEST(MetricsTest, AMethodIsRegisteredWithEveryCodeAtZero) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->RegisterRpc("pkg.Service", "Do", "unary");
  const std::string exposition = Exposition(*metrics);
  for (
      const char* series : {
          R"(grpc_server_started_total{grpc_method="Do",grpc_service="pkg.Service",grpc_type="unary"})",
          R"(grpc_server_msg_received_total{grpc_method="Do",grpc_service="pkg.Service",grpc_type="unary"})",
          R"(grpc_server_msg_sent_total{grpc_method="Do",grpc_service="pkg.Service",grpc_type="unary"})",
          R"(grpc_server_handling_seconds_count{grpc_method="Do",grpc_service="pkg.Service",grpc_type="unary"})",
          R"(grpc_server_handled_total{grpc_code="DATA_LOSS",grpc_method="Do",grpc_service="pkg.Service",grpc_type="unary"})",
      }) {
    EXPECT_THAT(SeriesValue(exposition, series), IsOkAndHolds(0)) << series;
  }
}

TEST(MetricsTest, CallsOfAMethodAreCounted) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->CountRpcStarted("s", "M", "server_stream");
  metrics->CountMessagesSent("s", "M", "server_stream", 7);
  metrics->CountRpcHandled("s", "M", "server_stream", "ABORTED", absl::Seconds(3));
  const std::string labels = R"(grpc_method="M",grpc_service="s",grpc_type="server_stream"})";
  EXPECT_EQ(Value(*metrics, "grpc_server_started_total{" + labels), 1);
  EXPECT_EQ(Value(*metrics, "grpc_server_msg_sent_total{" + labels), 7);
  EXPECT_EQ(Value(*metrics, "grpc_server_handling_seconds_sum{" + labels), 3);
  EXPECT_EQ(Value(*metrics, R"(grpc_server_handled_total{grpc_code="ABORTED",)" + labels), 1);
  EXPECT_EQ(Value(*metrics, R"(grpc_server_handled_total{grpc_code="OK",)" + labels), 0);
}

TEST(MetricsTest, OneModelVersionHasOneSetOfSeries) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  ModelMetrics* const first = metrics->ForModel("m", "1", "image");
  EXPECT_EQ(metrics->ForModel("m", "1", "image"), first);
  EXPECT_NE(metrics->ForModel("m", "2", "image"), first);
}

TEST(ModelMetricsTest, AStepIsObservedInItsPhase) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->ForModel("m", "1", "text")
      ->ObserveStep(StepPhase::kDecode, absl::Milliseconds(4), /*rows=*/32);
  EXPECT_EQ(
      Value(*metrics,
            R"(strided_step_seconds_bucket{model="m",phase="decode",version="1",le="0.003"})"),
      0);
  EXPECT_EQ(
      Value(*metrics,
            R"(strided_step_seconds_bucket{model="m",phase="decode",version="1",le="0.005"})"),
      1);
  EXPECT_EQ(Value(*metrics, R"(strided_step_batch_size_sum{model="m",phase="decode",version="1"})"),
            32);
  EXPECT_EQ(
      Value(*metrics, R"(strided_step_batch_size_sum{model="m",phase="prefill",version="1"})"), 0);
}

TEST(ModelMetricsTest, AModelIsInOneStateAtATime) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  ModelMetrics* const model = metrics->ForModel("m", "1", "text");
  model->SetState("loading");
  model->SetState("ready");
  EXPECT_EQ(Value(*metrics, R"(strided_model_state{model="m",state="loading",version="1"})"), 0);
  EXPECT_EQ(Value(*metrics, R"(strided_model_state{model="m",state="ready",version="1"})"), 1);
}

TEST(ModelMetricsTest, ANewFingerprintReplacesTheOldOne) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  ModelMetrics* const model = metrics->ForModel("m", "1", "text");
  model->SetFingerprint("aaaa");
  model->SetFingerprint("bbbb");
  const std::string exposition = Exposition(*metrics);
  EXPECT_THAT(exposition, Not(HasSubstr("aaaa")));
  EXPECT_THAT(
      SeriesValue(exposition, R"(strided_model_info{fingerprint="bbbb",model="m",version="1"})"),
      IsOkAndHolds(1));
}

TEST(ModelMetricsTest, MailboxTokensFollowWhatComesAndGoes) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  ModelMetrics* const model = metrics->ForModel("m", "1", "text");
  model->AddMailboxTokens(5);
  model->AddMailboxTokens(-3);
  EXPECT_EQ(Value(*metrics, R"(strided_stream_mailbox_tokens{model="m",version="1"})"), 2);
}

TEST(MetricsTest, AModelsNameCannotBreakTheExposition) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->ForModel("a\"b\nc", "1", "text");
  EXPECT_THAT(Exposition(*metrics),
              HasSubstr(R"(strided_slots_total{model="a\"b\nc",version="1"} 0)"));
}

}  // namespace
}  // namespace strided
