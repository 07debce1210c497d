#include "engine/sampling/soft_maximum.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace strided {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float ExponentialOf(float x) {
  float result = 0;
  Exponentials({&x, 1}, {&result, 1});
  return result;
}

// Every 1009th float in [-87, -0], from the one nearest to 0 on.
std::vector<float> FallingGrid() {
  std::vector<float> grid;
  for (uint32_t bits = 0; bits <= std::bit_cast<uint32_t>(87.0F); bits += 1009) {
    grid.push_back(-std::bit_cast<float>(bits));
  }
  return grid;
}

TEST(SoftMaximumTest, ExponentialsAreWithinOneUlp) {
  const std::vector<float> grid = FallingGrid();
  std::vector<float> result(grid.size());
  Exponentials(grid, result);
  double worst = 0;
  float worst_x = 0;
  for (size_t i = 0; i < grid.size(); ++i) {
    const double expected = std::exp(static_cast<double>(grid[i]));
    const int exponent = std::ilogb(expected);
    const double ulp = std::ldexp(1.0, exponent - 23);
    const double error = std::abs(static_cast<double>(result[i]) - expected) / ulp;
    if (error > worst) {
      worst = error;
      worst_x = grid[i];
    }
  }
  EXPECT_LT(worst, 1.0) << "worst at x = " << worst_x;
}

TEST(SoftMaximumTest, ExponentialsNeverRiseAsTheirArgumentFalls) {
  const std::vector<float> grid = FallingGrid();
  std::vector<float> result(grid.size());
  Exponentials(grid, result);
  for (size_t i = 1; i < grid.size(); ++i) {
    ASSERT_LE(result[i], result[i - 1]) << "at x = " << grid[i];
  }
}

TEST(SoftMaximumTest, ExponentialsAreExactAtTheirEnds) {
  EXPECT_EQ(ExponentialOf(0), 1);
  EXPECT_EQ(ExponentialOf(-0.0F), 1);
  EXPECT_GT(ExponentialOf(-87), 0);
  EXPECT_EQ(ExponentialOf(std::nextafter(-87.0F, -kInfinity)), 0);
  EXPECT_EQ(ExponentialOf(-kInfinity), 0);
  EXPECT_EQ(ExponentialOf(kNan), 0);
}

TEST(SoftMaximumTest, MassesAreRoundedDown) {
  EXPECT_EQ(MassOf(1), kMassOfOne);
  EXPECT_EQ(MassOf(0.75F), kMassOfOne / 4 * 3);
  EXPECT_EQ(MassOf(0x1.8p-43F), 1U);
  EXPECT_EQ(MassOf(0x1.fp-44F), 0U);
}

TEST(SoftMaximumTest, TheLogarithmIsWithinTwoUlp) {
  double worst = 0;
  double worst_value = 0;
  for (int i = 0; i < 200000; ++i) {
    // Values near 1, where the result is small, and up to 2^21.
    const double value = i % 2 == 0 ? 1 + i * 1e-9 : std::ldexp(1 + i * 5e-6, i % 21);
    const double expected = std::log(value);
    if (expected == 0) continue;
    const double ulp = std::ldexp(1.0, std::ilogb(expected) - 52);
    const double error = std::abs(NaturalLog(value) - expected) / ulp;
    if (error > worst) {
      worst = error;
      worst_value = value;
    }
  }
  EXPECT_LE(worst, 2.0) << "worst at " << worst_value;
  EXPECT_EQ(NaturalLog(1), 0);
}

TEST(SoftMaximumTest, BoundedLogitsAreNeverNanOrPositiveInfinity) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  EXPECT_EQ(BoundedLogit(1.5), 1.5F);
  EXPECT_EQ(BoundedLogit(1e300), kLargest);
  EXPECT_EQ(BoundedLogit(std::numeric_limits<double>::infinity()), kLargest);
  EXPECT_EQ(BoundedLogit(-static_cast<double>(kLargest)), -kLargest);
  EXPECT_EQ(BoundedLogit(-1e300), -kInfinity);
  EXPECT_EQ(BoundedLogit(std::numeric_limits<double>::quiet_NaN()), -kInfinity);
}

TEST(SoftMaximumTest, TheLargestOfEqualsIsTheFirst) {
  for (size_t size = 1; size <= 40; ++size) {
    for (size_t largest = 0; largest < size; ++largest) {
      std::vector<float> values(size, -1);
      values[largest] = 2;
      values.back() = 2;
      EXPECT_EQ(IndexOfLargest(values), largest) << "of " << size;
    }
  }
}

TEST(SoftMaximumTest, WithoutALargestTheFirstIndexIsGiven) {
  EXPECT_EQ(IndexOfLargest(std::vector<float>(3, -kInfinity)), 0U);
  EXPECT_EQ(IndexOfLargest(std::vector<float>(11, kNan)), 0U);
  EXPECT_EQ(IndexOfLargest(std::vector<float>{kNan, -kInfinity, -3}), 2U);
}

}  // namespace
}  // namespace strided
