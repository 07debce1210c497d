// The device's sampler, run by threads of the host, against engine/sampling. What only the device
// can show is in sample_test.cc.

#include "engine/cuda/kernels/row_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "tests/engine/cuda/host_block.h"
#include "tests/engine/cuda/sampling_cases.h"

namespace strided::cuda {
namespace {

// What SequenceSampler puts into device memory.
struct HostSampler {
  explicit HostSampler(const SamplingCase& c)
      : allowed(c.spec.sampling.allowed_ids), history(c.logits.size(), kUnseenToken) {
    const SamplingParameters& parameters = c.spec.sampling;
    for (const auto& [id, bias] : parameters.logit_bias) {
      bias_ids.push_back(id);
      bias_values.push_back(bias);
    }
    for (int t = 0; t < c.position(); ++t) {
      int32_t& count = history[static_cast<size_t>(c.observed[static_cast<size_t>(t)])];
      count = std::max(count, 0) + (t >= c.spec.prompt_length ? 1 : 0);
    }
    sampler = {.seed = c.spec.seed,
               .sample_index = c.spec.sample_index,
               .inverse_temperature = InverseTemperature(parameters),
               .top_p = parameters.top_p,
               .min_p = parameters.min_p,
               .typical_p = parameters.typical_p,
               .repetition_penalty = parameters.repetition_penalty,
               .presence_penalty = parameters.presence_penalty,
               .frequency_penalty = parameters.frequency_penalty,
               .top_k = parameters.top_k,
               .prompt_length = c.spec.prompt_length,
               .top_logprobs = c.spec.top_logprobs,
               .bias_count = static_cast<int>(bias_ids.size()),
               .allowed_count = static_cast<int>(allowed.size()),
               .bias_ids = bias_ids.data(),
               .bias_values = bias_values.data(),
               .allowed_ids = allowed.data(),
               .penalises = Penalises(parameters) ? 1 : 0,
               .history = history.data()};
  }
  std::vector<int32_t> bias_ids;
  std::vector<float> bias_values;
  std::vector<int32_t> allowed;
  std::vector<int32_t> history;
  DeviceSampler sampler;
};

// The row by a block of warps * kLanes threads, which must agree.
template <int kLanes>
SampledRow RunRow(const SamplingCase& c, int warps) {
  const HostSampler host(c);
  std::vector<float> scratch(c.logits.size());
  SampledRow row;
  row.top_ids.resize(static_cast<size_t>(c.spec.top_logprobs));
  row.top_values.resize(row.top_ids.size());
  std::mutex mutex;
  std::set<int32_t> tokens;
  RunHostBlock<kLanes>(warps, [&](HostBlock<kLanes>& block) {
    RowSampler sampler(block, c.logits.data(), c.vocab_size(), scratch.data());
    const int32_t token = c.output == RowOutput::kSample
                              ? sampler.Sample(host.sampler, StartOf(host.sampler, c.position()))
                              : c.target;
    if (c.spec.top_logprobs > 0) {
      sampler.ReportTop(c.spec.top_logprobs, row.top_ids.data(), row.top_values.data());
    }
    const std::lock_guard<std::mutex> lock(mutex);
    tokens.insert(token);
    row.token = token;
    row.log_prob = sampler.LogProb(token);
    row.finite = sampler.finite();
  });
  EXPECT_EQ(tokens.size(), 1U) << "the threads drew different tokens";
  return row;
}

TEST(RowSamplerTest, OneThreadGivesTheCpusRows) {
  SamplingCases cases(1);
  const int sizes[] = {1, 2, 3, 255, 256, 257, 1000};
  for (int i = 0; i < 20000; ++i) {
    const SamplingCase c = cases.Next(sizes[i % 7]);
    ASSERT_EQ(RunRow<1>(c, 1), ExpectedRow(c)) << "case " << i;
  }
}

TEST(RowSamplerTest, LargeVocabulariesGiveTheCpusRows) {
  SamplingCases cases(2);
  for (int i = 0; i < 60; ++i) {
    const SamplingCase c = cases.Next(50257);
    ASSERT_EQ(RunRow<1>(c, 1), ExpectedRow(c)) << "case " << i;
  }
  for (int i = 0; i < 4; ++i) {
    const SamplingCase c = cases.Next(1 << 20);
    ASSERT_EQ(RunRow<1>(c, 1), ExpectedRow(c)) << "case " << i;
  }
}

// Equal logits, so that sums of masses are powers of two: shares at a boundary and a unit above it.
TEST(RowSamplerTest, FiltersCutAtTheSameMassesToTheUnit) {
  std::vector<SamplingParameters> edges;
  for (const double boundary : {.25, .5, .75}) {
    for (const double share : {boundary, boundary + 0x1p-45, boundary - 0x1p-45}) {
      edges.push_back({.top_p = share});
      edges.push_back({.typical_p = share});
    }
  }
  const Mass half = MassOf(Exponential(-.7F));
  for (const Mass least : {half - 1, half, half + 1}) {
    edges.push_back({.min_p = static_cast<double>(least) / static_cast<double>(kMassOfOne)});
  }
  for (const SamplingParameters& edge : edges) {
    SamplingCase c;
    c.logits = edge.min_p > 0 ? std::vector<float>{0, -.7F} : std::vector<float>(4, 1.5F);
    c.spec.sampling = edge;
    for (c.spec.seed = 0; c.spec.seed < 60; ++c.spec.seed) {
      ASSERT_EQ(RunRow<1>(c, 1), ExpectedRow(c))
          << "top-p " << edge.top_p << ", min-p " << edge.min_p << ", typical-p " << edge.typical_p;
    }
  }
}

TEST(RowSamplerTest, ManyThreadsGiveTheSame) {
  SamplingCases cases(3);
  for (int i = 0; i < 120; ++i) {
    const SamplingCase c = cases.Next(1 + cases.Below(400));
    const SampledRow expected = ExpectedRow(c);
    ASSERT_EQ((RunRow<4>(c, 1)), expected) << "case " << i;
    ASSERT_EQ((RunRow<2>(c, 2)), expected) << "case " << i;
    ASSERT_EQ((RunRow<4>(c, 4)), expected) << "case " << i;
  }
}

TEST(RunningMassTest, FindsTheElementThatPassesTheLimit) {
  const std::vector<Mass> masses = {0, 3, 0, 0, 5, 1, 0, 2, 0};
  const std::vector<int> passed_at = {1, 1, 1, 4, 4, 4, 4, 4, 5, 7, 7};
  for (const int warps : {1, 2, 4}) {
    for (size_t limit = 0; limit < passed_at.size(); ++limit) {
      RunHostBlock<4>(warps, [&](HostBlock<4>& block) {
        const RunningMass running(block, static_cast<int>(masses.size()),
                                  [&](int i) { return masses[static_cast<size_t>(i)]; });
        const Passing passing = running.Find(limit);
        EXPECT_EQ(running.total(), 11U);
        EXPECT_EQ(passing.index, passed_at[limit]) << "limit " << limit << ", warps " << warps;
        const auto before = masses.begin() + passing.index;
        EXPECT_EQ(passing.left, limit - std::accumulate(masses.begin(), before, Mass{0}));
      });
    }
  }
}

TEST(SelectionTest, SelectsWhatSortingDoes) {
  std::mt19937 bits(4);
  for (int i = 0; i < 300; ++i) {
    const int count = 1 + static_cast<int>(bits() % 200);
    const uint32_t key_mask = i % 3 == 0 ? 3 : 0xFFFFFFFF;
    std::vector<uint32_t> keys;
    std::vector<Mass> weights;
    std::vector<int> order;
    for (int k = 0; k < count; ++k) {
      keys.push_back(static_cast<uint32_t>(bits()) & key_mask);
      weights.push_back(bits() % 3 == 0 ? 0 : Mass{bits()} << bits() % 12);
      order.push_back(k);
    }
    const Mass total = std::accumulate(weights.begin(), weights.end(), Mass{0});
    if (total == 0) continue;
    Mass left = (Mass{bits()} << 24 | bits()) % total;
    const Mass limit = left;
    const auto at = [](const auto& values, int k) { return values[static_cast<size_t>(k)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return at(keys, a) < at(keys, b); });
    size_t last = 0;
    while (left >= at(weights, order[last])) left -= at(weights, order[last++]);
    RunHostBlock<1>(1, [&](HostBlock<1>& block) {
      const Cut cut = Select(
          block, count, [&](int k) { return at(keys, k); }, [&](int k) { return at(weights, k); },
          limit);
      EXPECT_EQ(cut.index, order[last]) << "case " << i;
      EXPECT_EQ(cut.key, at(keys, order[last])) << "case " << i;
    });
  }
}

TEST(SelectionTest, KeysAscendWithTheirValues) {
  const float values[] = {-std::numeric_limits<float>::infinity(), -2, -1e-40F, 0, 1e-40F, 3,
                          std::numeric_limits<float>::infinity()};
  for (size_t i = 0; i < std::size(values); ++i) {
    EXPECT_EQ(ValueOfKey(AscendingKey(values[i])), values[i]);
    if (i == 0) continue;
    EXPECT_LT(AscendingKey(values[i - 1]), AscendingKey(values[i]));
  }
  EXPECT_EQ(AscendingKey(-0.0F), AscendingKey(0.0F));
  EXPECT_LT(AscendingKey(-std::numeric_limits<float>::quiet_NaN()), AscendingKey(values[0]));
}

}  // namespace
}  // namespace strided::cuda
