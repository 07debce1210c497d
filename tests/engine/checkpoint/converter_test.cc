#include "engine/checkpoint/converter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/checkpoint_reader.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"
#include "tests/engine/checkpoint/distaug_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const ConversionProgress kSilent = [](int64_t, int64_t) { return absl::OkStatus(); };

std::unique_ptr<ForeignCheckpoint> OpenSmall(const TemporaryDirectory& directory) {
  ReaderOptions options;
  options.distaug.layout = SmallDistaugLayout();
  auto source =
      OpenForeignCheckpoint(directory.Write("run.npz", DistaugFile(SmallDistaugShapes())), options);
  EXPECT_OK(source.status());
  return *std::move(source);
}

// What lies in `path`, one after the other; nothing where there is no such directory.
std::vector<std::string> Listing(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ConverterTest, TheResultLoadsWithTheSourcesNumbers) {
  const TemporaryDirectory directory;
  const auto source = OpenSmall(directory);
  const std::string target = absl::StrCat(directory.path(), "/models/small/3");
  ASSERT_OK_AND_ASSIGN(const ConvertedModel model, ConvertCheckpoint(*source, target, {}, kSilent));
  EXPECT_THAT(Listing(target), testing::ElementsAre("config.json", "model.safetensors"));
  EXPECT_THAT(Listing(absl::StrCat(directory.path(), "/models/small")), testing::ElementsAre("3"));
  ASSERT_OK_AND_ASSIGN(const ModelConfig config,
                       ModelConfig::Load(absl::StrCat(target, "/config.json")));
  ASSERT_OK_AND_ASSIGN(const Weights weights, Weights::Load(target, config));
  EXPECT_EQ(model.fingerprint, weights.fingerprint());
  EXPECT_EQ(model.parameters, weights.parameter_count());
  EXPECT_EQ(model.bytes, 4 * weights.parameter_count());
  for (const TensorSpec& spec : TensorCatalog(config)) {
    const Tensor& tensor = weights.Get(spec.name);
    ASSERT_OK_AND_ASSIGN(const std::vector<float> expected, source->Read(spec));
    std::vector<float> values(expected.size());
    for (int64_t row = 0; row < tensor.rows(); ++row) {
      const size_t width = static_cast<size_t>(tensor.columns());
      tensor.ReadRow(row, std::span(values).subspan(static_cast<size_t>(row) * width, width));
    }
    EXPECT_EQ(values, expected) << spec.name;
  }
}

TEST(ConverterTest, Bfloat16IsForMatricesAndRoundsToNearest) {
  const TemporaryDirectory directory;
  const auto source = OpenSmall(directory);
  const std::string target = absl::StrCat(directory.path(), "/small/1");
  ASSERT_OK(ConvertCheckpoint(*source, target, {.matrix_dtype = DType::kBfloat16}, kSilent));
  ASSERT_OK_AND_ASSIGN(const Weights weights, Weights::Load(target, source->config()));
  EXPECT_EQ(weights.Get("start").dtype, DType::kFloat32);
  const Tensor& tokens = weights.Get("token_embedding.weight");
  ASSERT_EQ(tokens.dtype, DType::kBfloat16);
  std::vector<float> row(4);
  tokens.ReadRow(1, row);
  for (int64_t i = 0; i < 4; ++i) {
    const float exact = DistaugValue("model/we/Ema/ema:0", 4 + i);
    EXPECT_NEAR(row[static_cast<size_t>(i)], exact, exact / 512) << i;
  }
}

TEST(ConverterTest, AVersionThatIsThereStaysAsItIs) {
  const TemporaryDirectory directory;
  const auto source = OpenSmall(directory);
  directory.Write("small/1/config.json", "mine");
  const std::string target = absl::StrCat(directory.path(), "/small/1");
  EXPECT_THAT(ConvertCheckpoint(*source, target, {}, kSilent).status(),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("is there already")));
  EXPECT_THAT(Listing(target), testing::ElementsAre("config.json"));
  EXPECT_THAT(Listing(absl::StrCat(directory.path(), "/small")), testing::ElementsAre("1"));
}

TEST(ConverterTest, AVersionThatAppearsMeanwhileStaysAsItIs) {
  const TemporaryDirectory directory;
  const auto source = OpenSmall(directory);
  const std::string target = absl::StrCat(directory.path(), "/small/1");
  const ConversionProgress somebody_else = [&](int64_t, int64_t) {
    directory.Write("small/1/config.json", "mine");
    return absl::OkStatus();
  };
  EXPECT_THAT(ConvertCheckpoint(*source, target, {}, somebody_else).status(),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Listing(target), testing::ElementsAre("config.json"));
  EXPECT_THAT(Listing(absl::StrCat(directory.path(), "/small")), testing::ElementsAre("1"));
}

TEST(ConverterTest, NothingIsLeftOfAConversionThatIsStopped) {
  const TemporaryDirectory directory;
  const auto source = OpenSmall(directory);
  int calls = 0;
  const ConversionProgress stop = [&](int64_t, int64_t) {
    return ++calls == 5 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_THAT(
      ConvertCheckpoint(*source, absl::StrCat(directory.path(), "/small/1"), {}, stop).status(),
      StatusIs(absl::StatusCode::kCancelled, "enough"));
  EXPECT_THAT(Listing(absl::StrCat(directory.path(), "/small")), testing::IsEmpty());
}

TEST(ConverterTest, NothingIsLeftWhereTheSourceIsDamaged) {
  const TemporaryDirectory directory;
  ReaderOptions options;
  options.distaug.layout = SmallDistaugLayout();
  std::string bytes = DistaugFile(SmallDistaugShapes());
  // A byte of the middle of a matrix; its checksum tells.
  bytes[bytes.find("model/h1/mlp_proj2/w/Ema/ema:0.npy") + 200] ^= 1;
  ASSERT_OK_AND_ASSIGN(const auto source,
                       OpenForeignCheckpoint(directory.Write("run.npz", bytes), options));
  EXPECT_THAT(
      ConvertCheckpoint(*source, absl::StrCat(directory.path(), "/small/1"), {}, kSilent).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("model/h1/mlp_proj2/w/Ema/ema:0 has the checksum")));
  EXPECT_THAT(Listing(absl::StrCat(directory.path(), "/small")), testing::IsEmpty());
}

TEST(ConverterTest, ProgressRunsFromNothingToAll) {
  const TemporaryDirectory directory;
  const auto source = OpenSmall(directory);
  std::vector<int64_t> done;
  int64_t all = 0;
  const ConversionProgress watch = [&](int64_t now, int64_t total) {
    done.push_back(now);
    all = total;
    return absl::OkStatus();
  };
  ASSERT_OK_AND_ASSIGN(
      const ConvertedModel model,
      ConvertCheckpoint(*source, absl::StrCat(directory.path(), "/small/1"), {}, watch));
  EXPECT_EQ(done.front(), 0);
  EXPECT_EQ(done.back(), all);
  EXPECT_EQ(all, model.bytes);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
}

}  // namespace
}  // namespace strided
