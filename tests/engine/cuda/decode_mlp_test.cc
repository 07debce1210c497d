// The MLP of a decode step in one kernel, against the two products that it stands for.

#include "engine/cuda/kernels/decode_mlp.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cuda/kernels/decode_product.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/engine/cuda/packed_matrix.h"

namespace strided::cuda {
namespace {

constexpr int kMostRows = 20;
constexpr int kMultiprocessors = 132;

struct Sizes {
  int d_model = 0;
  int d_ff = 0;
};
// A round of 8 or 16 blocks, two rounds.
constexpr Sizes kTaken[] = {{256, 512}, {256, 1024}, {512, 512}, {512, 1024}, {512, 2048}};

size_t Count(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

class MlpCase {
 public:
  MlpCase(const Sizes& sizes, WeightFormat format, Activation activation)
      : sizes_(sizes),
        up_(sizes.d_ff, sizes.d_model, format, 1),
        down_(sizes.d_model, sizes.d_ff, format, 3),
        hidden_(RandomFloats(Count(kMostRows, sizes.d_model), 5)),
        norm_weight_(ToDevice(RandomFloats(Count(sizes.d_model, 1), 6))),
        norm_bias_(ToDevice(RandomFloats(Count(sizes.d_model, 1), 7))) {
    mlp_.format = format;
    mlp_.norm = {norm_weight_.data(), norm_bias_.data(), 1e-3F};
    mlp_.up = up_.view();
    mlp_.down = down_.view();
    mlp_.activation = activation;
  }

  const DecodeMlp& mlp() const { return mlp_; }

  // Rows first, first + 1, ... after the one kernel; [rows][d_model].
  std::vector<float> InOneKernel(int first, int rows) const {
    const auto hidden = ToDevice(HiddenOf(first, rows));
    DecodeMlp mlp = mlp_;
    mlp.hidden = hidden.data();
    mlp.rows = rows;
    const absl::Status status = LaunchDecodeMlp(mlp, kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    return FromDevice(hidden);
  }

  // The same after the two products.
  std::vector<float> InTwo(int first, int rows) const {
    const auto hidden = ToDevice(HiddenOf(first, rows));
    const auto expanded = ToDevice(std::vector<std::byte>(Count(rows, sizes_.d_ff) * 2));
    DecodeProduct product;
    product.format = mlp_.format;
    product.matrix = mlp_.up;
    product.rows = rows;
    product.normed = true;
    product.norm = mlp_.norm;
    product.output = ProductOutput::kActivated;
    product.hidden = hidden.data();
    product.out = expanded.data();
    product.activation = mlp_.activation;
    absl::Status status = LaunchDecodeProduct(product, kMultiprocessors, kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    product.matrix = mlp_.down;
    product.normed = false;
    product.in = expanded.data();
    product.output = ProductOutput::kResidual;
    status = LaunchDecodeProduct(product, kMultiprocessors, kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    return FromDevice(hidden);
  }

 private:
  // And one row more, which no kernel may touch.
  std::vector<float> HiddenOf(int first, int rows) const {
    const auto begin = hidden_.begin() + static_cast<std::ptrdiff_t>(first) * sizes_.d_model;
    std::vector<float> rows_of(begin, begin + static_cast<std::ptrdiff_t>(rows) * sizes_.d_model);
    rows_of.resize(rows_of.size() + static_cast<size_t>(sizes_.d_model), -32.0F);
    return rows_of;
  }

  Sizes sizes_;
  PackedMatrix up_;
  PackedMatrix down_;
  std::vector<float> hidden_;
  DeviceBuffer<float> norm_weight_;
  DeviceBuffer<float> norm_bias_;
  DecodeMlp mlp_;
};

class DecodeMlpTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (IsSkipped()) return;
    const MlpCase mlp({512, 2048}, WeightFormat::kBfloat16, Activation::kRelu);
    const absl::StatusOr<bool> takes = TakesDecodeMlp(mlp.mlp());
    ASSERT_TRUE(takes.ok()) << takes.status();
    if (!*takes) GTEST_SKIP() << "no clusters of 16 blocks";
  }
};

TEST(MlpBlocksTest, AreTheWarpsThatShareDownsInputsWhereTheyFit) {
  EXPECT_EQ(MlpBlocks(256, 512), 8);
  EXPECT_EQ(MlpBlocks(256, 1024), 16);
  EXPECT_EQ(MlpBlocks(512, 2048), 16);
  EXPECT_EQ(MlpBlocks(256, 2048), 0) << "two rounds";
  EXPECT_EQ(MlpBlocks(512, 4096), 0) << "four rounds";
  EXPECT_EQ(MlpBlocks(512, 1536), 0) << "a round and a half";
  EXPECT_EQ(MlpBlocks(256, 768), 0) << "clusters of twelve";
  EXPECT_EQ(MlpBlocks(1024, 4096), 0);
  EXPECT_EQ(MlpBlocks(512, 1000), 0);
}

TEST(MlpRowsTest, LargeMatricesAreLeftToTheProducts) {
  EXPECT_EQ(MlpRows(256, 512), 64);
  EXPECT_EQ(MlpRows(512, 2048), 0);
}

TEST_F(DecodeMlpTest, BitsAreThoseOfTheTwoProducts) {
  for (const Sizes& sizes : kTaken) {
    for (const WeightFormat format : kWeightFormats) {
      if (format == WeightFormat::kFloat32) continue;
      const MlpCase mlp(sizes, format, Activation::kQuickGelu);
      for (const int rows : {1, 2, 7, 8, 9, kMostRows}) {
        EXPECT_EQ(mlp.InOneKernel(0, rows), mlp.InTwo(0, rows))
            << WeightFormatName(format) << ", " << sizes.d_model << " x " << sizes.d_ff << ", rows "
            << rows;
      }
    }
  }
}

TEST_F(DecodeMlpTest, ARowGivesTheSameBitsAloneAndAmongOthers) {
  const MlpCase mlp({512, 2048}, WeightFormat::kBfloat16, Activation::kGelu);
  const std::vector<float> all = mlp.InOneKernel(0, kMostRows);
  for (const int row : {0, 5, 8, kMostRows - 1}) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(row) * 512;
    std::vector<float> alone = mlp.InOneKernel(row, 1);
    alone.resize(512);
    EXPECT_EQ(alone, std::vector<float>(begin, begin + 512)) << "row " << row;
  }
}

}  // namespace
}  // namespace strided::cuda
