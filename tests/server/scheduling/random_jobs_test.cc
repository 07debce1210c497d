// Random jobs, cancellations and slow readers: whatever comes together, every job ends once, and
// what it was pushed is what it would have been pushed alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

constexpr int32_t kStopId = 5;

class RandomJobs {
 public:
  explicit RandomJobs(unsigned seed) : random_(seed) {}

  int Draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }
  bool OneIn(int times) { return Draw(1, times) == 1; }

  Job Next() {
    if (OneIn(5)) return Score();
    Job job = GenerateJob(OneIn(3) ? 0 : Draw(1, 15), Draw(1, 12));
    job.seed = static_cast<uint64_t>(Draw(0, 1000));
    job.priority = Draw(0, 2);
    job.samples = OneIn(2) ? 1 : Draw(1, 5);
    if (OneIn(3)) job.stop.ids = {kStopId};
    job.echo_prompt = OneIn(4);
    if (job.samples == 1 && job.stop.ids.empty() && OneIn(3)) Resume(job);
    return job;
  }

 private:
  Job Score() {
    Job job = ScoreJob(Draw(1, 20));
    job.score_from = Draw(0, static_cast<int>(job.prompt.size()) - 1);
    job.priority = Draw(0, 2);
    return job;
  }
  void Resume(Job& job) {
    job.echo_prompt = false;
    job.first_sample_index = static_cast<uint32_t>(Draw(0, 3));
    job.resumed = ExpectedTokens(job, job.first_sample_index);
    job.resumed.resize(static_cast<size_t>(Draw(0, job.stop.max_new_tokens)));
  }

  std::mt19937 random_;
};

// All that sample `index` of `job` may ever be pushed.
std::vector<int32_t> ExpectedPushes(const Job& job, uint32_t index) {
  if (job.kind == JobKind::kScore) return {job.prompt.begin() + job.score_from, job.prompt.end()};
  std::vector<int32_t> drawn = ExpectedTokens(job, index);
  if (!job.stop.ids.empty())
    drawn.erase(std::find(drawn.begin(), drawn.end(), kStopId), drawn.end());
  drawn.erase(drawn.begin(), drawn.begin() + static_cast<int>(job.resumed.size()));
  if (job.echo_prompt) drawn.insert(drawn.begin(), job.prompt.begin(), job.prompt.end());
  return drawn;
}

// The tokens ahead of the first that is pushed.
std::vector<int32_t> BeforePushes(const Job& job) {
  if (job.echo_prompt) return {};
  std::vector<int32_t> before = job.prompt;
  if (job.kind == JobKind::kScore) before.resize(static_cast<size_t>(job.score_from));
  before.insert(before.end(), job.resumed.begin(), job.resumed.end());
  return before;
}

void ExpectAsAlone(const Job& job, RecordingSink& sink) {
  EXPECT_EQ(sink.finishes, 1);
  for (int i = 0; i < job.samples; ++i) {
    const uint32_t index = job.first_sample_index + static_cast<uint32_t>(i);
    const RecordedSample& sample = sink.samples[index];
    std::vector<int32_t> expected = ExpectedPushes(job, index);
    if (sink.status.ok()) {
      ASSERT_TRUE(sample.end.has_value()) << "sample " << index;
    } else {
      ASSERT_LE(sample.tokens.size(), expected.size());
      expected.resize(sample.tokens.size());
    }
    EXPECT_EQ(sample.tokens, expected) << "sample " << index << " of " << job.samples;
    EXPECT_EQ(sample.log_probs, ExpectedLogProbs(BeforePushes(job), sample.tokens));
  }
}

// One scheduler with room for few, and what was asked of it.
class RandomRun {
 public:
  // `ahead`: what a step brings is pushed beside the next, as on the scheduler's thread.
  RandomRun(unsigned seed, int max_steps, bool ahead)
      : jobs_(seed),
        ahead_(ahead),
        bench_({.max_rows = jobs_.Draw(2, 12),
                .max_steps = max_steps,
                .max_slots = jobs_.Draw(1, 6),
                .cache_capacity_bytes = jobs_.Draw(27, 120)},
               {.max_sequences = jobs_.Draw(1, 8), .prefill_rows_per_step = jobs_.Draw(1, 9)}) {}

  int preemptions() const { return bench_.metrics.preemptions; }
  int forks() const { return bench_.executor.forks; }

  void RunAll() {
    for (int operation = 0; operation < 150; ++operation) Operate();
    for (Asked& asked : asked_) asked.sink->room = true;
    bench_.clock.Advance(absl::Milliseconds(50));
    bench_.Run();
    for (Asked& asked : asked_) ExpectAsAlone(asked.job, *asked.sink);
  }

 private:
  struct Asked {
    Job job;
    JobId id;
    RecordingSink* sink;
  };

  void Operate() {
    const int what = jobs_.Draw(0, 9);
    if (what < 2) {
      RecordingSink& sink = bench_.NewSink();
      const Job job = jobs_.Next();
      asked_.push_back({job, bench_.Submit(job, sink), &sink});
    } else if (what == 2 && !asked_.empty() && jobs_.OneIn(3)) {
      bench_.scheduler->Cancel(Any().id, absl::CancelledError("test"));
    } else if (what == 3 && !asked_.empty()) {
      RecordingSink& sink = *Any().sink;
      sink.room = !sink.room;
      bench_.scheduler->Wake();
    } else if (what == 4) {
      bench_.clock.Advance(absl::Seconds(jobs_.Draw(0, 20)));
    } else if (ahead_) {
      bench_.scheduler->RunOneStepAhead();
    } else {
      bench_.Run(1);
    }
  }

  Asked& Any() {
    return asked_[static_cast<size_t>(jobs_.Draw(0, static_cast<int>(asked_.size()) - 1))];
  }

  RandomJobs jobs_;
  const bool ahead_;
  SchedulerBench bench_;
  std::vector<Asked> asked_;
};

TEST(RandomJobsTest, EveryJobEndsOnceAndIsPushedWhatItWouldBeAlone) {
  int preemptions = 0;
  int forks = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    for (const auto& [max_steps, ahead] : {std::pair(1, false), {8, false}, {1, true}, {8, true}}) {
      SCOPED_TRACE("max_steps " + std::to_string(max_steps) + (ahead ? ", ahead" : ""));
      RandomRun run(seed, max_steps, ahead);
      run.RunAll();
      if (testing::Test::HasFailure()) return;
      preemptions += run.preemptions();
      forks += run.forks();
    }
  }
  EXPECT_GT(preemptions, 1000) << "the mix has lost its point";
  EXPECT_GT(forks, 1000) << "the mix has lost its point";
}

}  // namespace
}  // namespace strided
