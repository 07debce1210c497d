// The sampling kernels against engine/sampling, to the bit.

#include "engine/cuda/kernels/sample.h"

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/cuda/device_sampler.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_rows.h"
#include "tests/engine/cuda/sampling_cases.h"

namespace strided::cuda {
namespace {

using SampleTest = CudaTest;

std::vector<SamplingCase> RandomCases(unsigned seed, int vocab_size, int count) {
  SamplingCases source(seed);
  std::vector<SamplingCase> cases;
  for (int i = 0; i < count; ++i) cases.push_back(source.Next(vocab_size));
  return cases;
}

void ExpectTheCpusRows(std::vector<SamplingCase> cases) {
  DeviceRows rows(std::move(cases), 1);
  rows.ObservePrompts();
  rows.Run();
  for (size_t i = 0; i < rows.cases().size(); ++i) {
    ASSERT_EQ(rows.Result(0, static_cast<int>(i)), ExpectedRow(rows.cases()[i]))
        << "vocabulary " << rows.vocab_size() << ", case " << i;
  }
}

TEST_F(SampleTest, SmallVocabulariesGiveTheCpusRows) {
  for (const int vocab_size : {1, 2, 31, 32, 33, 255, 256, 257}) {
    ExpectTheCpusRows(RandomCases(static_cast<unsigned>(vocab_size), vocab_size, 2000));
  }
}

TEST_F(SampleTest, VocabulariesBeyondABlockGiveTheCpusRows) {
  ExpectTheCpusRows(RandomCases(1, 1000, 1000));
  ExpectTheCpusRows(RandomCases(2, 4096, 300));
  ExpectTheCpusRows(RandomCases(3, 4097, 300));
}

TEST_F(SampleTest, LargeVocabulariesGiveTheCpusRows) {
  ExpectTheCpusRows(RandomCases(4, 50257, 200));
  ExpectTheCpusRows(RandomCases(5, 1 << 20, 12));
}

TEST_F(SampleTest, ARowMovesOnStepByStepThenIdles) {
  constexpr int kSteps = 7;
  SamplingCases source(6);
  std::vector<SamplingCase> cases;
  for (int i = 0; i < 200; ++i) {
    cases.push_back(source.Next(256));
    cases.back().output = RowOutput::kSample;
  }
  DeviceRows rows(cases, kSteps);
  rows.ObservePrompts();
  rows.Run();
  for (int r = 0; r < 200; ++r) {
    const SamplingCase& c = cases[static_cast<size_t>(r)];
    Sampler sampler = SamplerOf(c);
    SampledRow expected;
    for (int step = 0; step < kSteps; ++step) {
      const int position = c.position() + step;
      expected = ExpectedRow(c, sampler, position);
      ASSERT_EQ(rows.Result(step, r), expected) << "row " << r << ", step " << step;
      sampler.Observe(position, expected.token);
    }
    const DecodeRow& left = rows.state()[static_cast<size_t>(r)];
    EXPECT_EQ(left.slot, -1);
    EXPECT_EQ(left.position, c.position() + kSteps);
    EXPECT_EQ(left.input, expected.token);
    EXPECT_EQ(left.step, kSteps);
    EXPECT_EQ(left.steps_left, 0);
  }
}

TEST_F(SampleTest, RowsThatDoNotDrawIdleAfterwards) {
  std::vector<SamplingCase> cases = RandomCases(7, 100, 2);
  cases[0].output = RowOutput::kNone;
  cases[1].output = RowOutput::kScore;
  DeviceRows rows(cases, 1);
  rows.Run();
  EXPECT_EQ(rows.Result(0, 0), ExpectedRow(cases[0]));
  EXPECT_EQ(rows.Result(0, 1), ExpectedRow(cases[1]));
  for (const DecodeRow& row : rows.state()) EXPECT_EQ(row.slot, -1);
}

TEST_F(SampleTest, IdleRowsWriteNothing) {
  DeviceRows rows(RandomCases(8, 64, 3), 1);
  rows.state()[1].slot = -1;
  rows.state()[1].position = 77;
  rows.Run();
  EXPECT_EQ(rows.Result(0, 1).token, -1);
  EXPECT_EQ(rows.state()[1].position, 77);
  EXPECT_EQ(rows.state()[1].step, 0);
}

TEST_F(SampleTest, WhatIsObservedIsCountedWithoutPenaltiesToo) {
  SamplingCase parent;
  parent.logits.resize(8);
  parent.spec.prompt_length = 2;
  parent.observed = {3, 4, 4, 5, 6};
  DeviceRows rows({parent}, 1);
  rows.ObservePrompts();
  constexpr int32_t kUnseen = kUnseenToken;
  EXPECT_THAT(rows.History(0),
              ::testing::ElementsAre(kUnseen, kUnseen, kUnseen, 0, 1, 1, kUnseen, kUnseen));
}

}  // namespace
}  // namespace strided::cuda
