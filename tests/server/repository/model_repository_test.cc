#include "server/repository/model_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "tests/server/observability/exposition.h"
#include "tests/server/repository/model_directory.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

bool KeepOn() { return true; }

// A repository over models on disk, which the test writes before it scans.
struct Fixture {
  TemporaryDirectory root;
  std::unique_ptr<Metrics> metrics = CreateMetrics();
  SystemClock clock;
  ModelRepository repository{root.path(),
                             {.threads = 1, .cache_bytes = 1 << 20, .max_sequences = 2},
                             metrics.get(),
                             &clock};

  double State(absl::string_view model, absl::string_view version, absl::string_view state) {
    const std::string exposition = Exposition(*metrics);
    return SeriesValue(exposition,
                       absl::StrCat("strided_model_state{model=\"", model, "\",state=\"", state,
                                    "\",version=\"", version, "\"}"))
        .value_or(-1);
  }
};

TEST(ModelRepositoryTest, TheHighestVersionIsServed) {
  Fixture fixture;
  WriteModel(fixture.root, "m/1");
  WriteModel(fixture.root, "m/2", "{}", /*seed=*/2);
  ASSERT_OK(fixture.repository.Scan());
  ASSERT_OK(fixture.repository.LoadAll(KeepOn));
  for (const char* reference : {"", "m", "m/2"}) {
    ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const ServedModel> model,
                         fixture.repository.Find(reference));
    EXPECT_EQ(model->name, "m");
    EXPECT_EQ(model->version, "2");
    EXPECT_EQ(model->fingerprint.size(), 32u);
  }
  EXPECT_THAT(fixture.repository.Find("m/1"),
              StatusIs(absl::StatusCode::kNotFound, "no model \"m/1\"; there are: m/2"));
  EXPECT_EQ(fixture.State("m", "2", "ready"), 1);
}

TEST(ModelRepositoryTest, ARequestMustNameOneOfSeveralModels) {
  Fixture fixture;
  WriteModel(fixture.root, "a/1");
  WriteModel(fixture.root, "b/1");
  ASSERT_OK(fixture.repository.Scan());
  ASSERT_OK(fixture.repository.LoadAll(KeepOn));
  EXPECT_OK(fixture.repository.Find("b"));
  EXPECT_THAT(
      fixture.repository.Find(""),
      StatusIs(absl::StatusCode::kNotFound, "no model is named, and there are several: a/1, b/1"));
  for (const char* reference : {"c", "a/", "a/01", "a/1/", "/1", "a\n"}) {
    EXPECT_THAT(fixture.repository.Find(reference),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr("there are: a/1, b/1")))
        << reference;
  }
}

TEST(ModelRepositoryTest, AModelThatIsNotYetLoadedIsUnavailableForAWhile) {
  Fixture fixture;
  WriteModel(fixture.root, "m/1");
  ASSERT_OK(fixture.repository.Scan());
  const absl::Status status = fixture.repository.Find("m").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "model m/1 is still loading"));
  EXPECT_EQ(ReasonOf(status)->reason, "MODEL_LOADING");
  EXPECT_TRUE(RetryAfterOf(status).has_value());
  EXPECT_THAT(fixture.repository.Describe("m"),
              IsOkAndHolds(Field(&ModelEntry::state, ModelState::kLoading)));
  EXPECT_EQ(fixture.State("m", "1", "loading"), 1);
}

TEST(ModelRepositoryTest, AModelThatCannotBeLoadedDoesNotKeepTheOthersFromServing) {
  Fixture fixture;
  WriteModel(fixture.root, "bad/1");
  fixture.root.Write("bad/1/model.safetensors", "short");
  WriteModel(fixture.root, "good/1");
  fixture.root.Write("ugly/v1/config.json", "{}");
  ASSERT_OK(fixture.repository.Scan());
  EXPECT_THAT(fixture.repository.LoadAll(KeepOn),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bad/1/model.safetensors")));

  EXPECT_OK(fixture.repository.Find("good"));
  const absl::Status status = fixture.repository.Find("bad").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("model bad/1 could not be loaded: ")));
  EXPECT_EQ(ReasonOf(status)->reason, "MODEL_FAILED");
  EXPECT_THAT(
      fixture.repository.List(),
      ElementsAre(
          AllOf(Field(&ModelEntry::name, "bad"), Field(&ModelEntry::state, ModelState::kFailed),
                Field(&ModelEntry::state_reason, HasSubstr("model.safetensors"))),
          AllOf(Field(&ModelEntry::name, "good"), Field(&ModelEntry::state, ModelState::kReady)),
          AllOf(Field(&ModelEntry::name, "ugly"), Field(&ModelEntry::version, ""),
                Field(&ModelEntry::state_reason, HasSubstr("\"v1\"; expected")))));
  EXPECT_EQ(fixture.State("bad", "1", "failed"), 1);
  EXPECT_EQ(fixture.State("ugly", "", "failed"), 1);
}

TEST(ModelRepositoryTest, LoadingStopsBetweenModelsWhenItIsTold) {
  Fixture fixture;
  WriteModel(fixture.root, "a/1");
  WriteModel(fixture.root, "b/1");
  ASSERT_OK(fixture.repository.Scan());
  int asked = 0;
  EXPECT_THAT(fixture.repository.LoadAll([&] { return ++asked < 2; }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_OK(fixture.repository.Find("a"));
  EXPECT_THAT(fixture.repository.Find("b"), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ModelRepositoryTest, ADeviceThatIsNotBuiltInIsRefusedBeforeAnythingIsRead) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  SystemClock clock;
  ModelOptions options;
  options.devices = {"cuda:99"};
  ModelRepository repository("/nonexistent", options, metrics.get(), &clock);
  EXPECT_THAT(repository.Scan(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("device is \"cuda:99\"")));
}

}  // namespace
}  // namespace strided
