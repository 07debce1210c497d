// A scheduler on a fake executor and a fake clock, stepped by hand.

#ifndef STRIDED_TESTS_SERVER_SCHEDULING_SCHEDULER_BENCH_H_
#define STRIDED_TESTS_SERVER_SCHEDULING_SCHEDULER_BENCH_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/sequence_state.h"
#include "tests/server/scheduling/counting_metrics.h"
#include "tests/server/scheduling/fake_executor.h"
#include "tests/server/scheduling/recording_sink.h"

namespace strided {

// A job that draws `new_tokens` after a prompt of that many tokens 1, 2, 3, ...
inline Job GenerateJob(int prompt_tokens, int new_tokens) {
  Job job;
  for (int i = 0; i < prompt_tokens; ++i) {
    job.prompt.push_back((i + 1) % FakeExecutor::kVocabSize);
  }
  job.stop.max_new_tokens = new_tokens;
  job.seed = 7;
  job.top_logprobs = 0;
  return job;
}

inline Job ScoreJob(int tokens) {
  Job job = GenerateJob(tokens, 0);
  job.kind = JobKind::kScore;
  return job;
}

// What the fake executor draws for a sample, without any scheduler.
inline std::vector<int32_t> ExpectedTokens(const Job& job, uint32_t sample_index = 0) {
  SequenceSpec spec;
  spec.seed = job.seed;
  spec.sample_index = sample_index;
  std::vector<int32_t> history = job.prompt;
  for (int i = 0; i < job.stop.max_new_tokens; ++i) {
    history.push_back(FakeExecutor::HashedDraw(spec, history));
  }
  return {history.begin() + static_cast<int>(job.prompt.size()), history.end()};
}

// The fake executor's log-probabilities of `tokens` after `prompt`.
inline std::vector<float> ExpectedLogProbs(std::vector<int32_t> prompt,
                                           const std::vector<int32_t>& tokens) {
  std::vector<float> log_probs;
  for (const int32_t token : tokens) {
    log_probs.push_back(FakeExecutor::LogProb(prompt, token));
    prompt.push_back(token);
  }
  return log_probs;
}

inline double Sum(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum;
}

struct SchedulerBench {
  explicit SchedulerBench(const FakeExecutor::Options& executor_options = {},
                          const SchedulerOptions& options = {})
      : executor(executor_options),
        scheduler(std::make_unique<Scheduler>(options, &executor, &clock, &metrics, &objects)) {}
  ~SchedulerBench() {
    scheduler.reset();
    EXPECT_EQ(executor.live_slots(), 0) << "slots leak";
    EXPECT_EQ(objects.created, objects.released) << "objects leak";
    EXPECT_EQ(admission.tickets_out(), 0) << "tickets leak";
  }

  // Sinks live as long as the bench: longer than the scheduler.
  RecordingSink& NewSink() { return NewSinks(1).front(); }
  std::span<RecordingSink> NewSinks(size_t count) { return sinks.emplace_back(count); }

  JobId Submit(Job job, RecordingSink& sink) {
    return scheduler->Submit(std::move(job), *admission.Admit(), &sink);
  }

  // Steps until there is nothing to do.
  void Run() {
    for (int step = 0; scheduler->RunOneStep(); ++step) ASSERT_LT(step, 100'000) << "never idle";
  }
  void Run(int steps) {
    for (int step = 0; step < steps; ++step) scheduler->RunOneStep();
  }

  std::list<std::vector<RecordingSink>> sinks;
  FakeClock clock;
  CountingModelMetrics metrics;
  CountingMetrics objects;
  Admission admission{100'000};
  FakeExecutor executor;
  std::unique_ptr<Scheduler> scheduler;
};

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SCHEDULING_SCHEDULER_BENCH_H_
