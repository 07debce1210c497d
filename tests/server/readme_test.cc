// server/README.md says what the code does: its tables of settings and of metrics are whole.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "engine/base/file.h"
#include "server/config/setting_table.h"
#include "server/observability/metrics.h"
#include "server/observability/process_series.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;

std::string Readme() {
  const absl::StatusOr<std::string> text = ReadSmallFile("server/README.md", 1 << 20);
  EXPECT_OK(text);
  return text.value_or("");
}

TEST(ReadmeTest, EverySettingIsThereWithItsDefault) {
  const std::string readme = Readme();
  ServerSettings defaults;
  for (const Setting& setting : SettingTable(defaults)) {
    const std::string value =
        absl::StrReplaceAll(setting.text(), {{"\"", ""}, {"[", ""}, {"]", ""}});
    EXPECT_THAT(readme, HasSubstr(absl::StrCat(
                            "| `", setting.name, "` | ",
                            value.empty() ? "none" : absl::StrCat("`", value, "`"), " |")));
  }
}

TEST(ReadmeTest, EveryMetricIsThere) {
  const std::string readme = Readme();
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->ForModel("m", "1", "text")->SetFingerprint("f");
  metrics->RegisterRpc("s", "M", "unary");
  metrics->SetDeviceMemory("cuda:0", MemoryKind::kWeights, 1);
  std::vector<prometheus::MetricFamily> families = metrics->registry()->Collect();
  for (prometheus::MetricFamily& family : ProcessSeries().Collect()) families.push_back(family);
  EXPECT_GT(families.size(), 40u);
  for (const prometheus::MetricFamily& family : families) {
    EXPECT_THAT(readme, HasSubstr(absl::StrCat("`", family.name, "`")));
  }
}

}  // namespace
}  // namespace strided
