// The same request on the CPU executor: alone, in a crowd, in chunks of any size, preempted and
// resumed it gives the same tokens and log-probabilities, bit for bit.

#include "engine/cpu/cpu_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "server/scheduling/scheduler.h"
#include "tests/server/scheduling/recording_sink.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

struct Drawn {
  std::vector<int32_t> tokens;
  std::vector<uint32_t> log_prob_bits;
  uint64_t sum_bits = 0;
  friend bool operator==(const Drawn&, const Drawn&) = default;
};

Drawn DrawnBy(const RecordedSample& sample) {
  Drawn drawn{.tokens = sample.tokens, .log_prob_bits = {}};
  for (const float value : sample.log_probs) {
    drawn.log_prob_bits.push_back(std::bit_cast<uint32_t>(value));
  }
  drawn.sum_bits = std::bit_cast<uint64_t>(sample.end->sum_log_prob);
  return drawn;
}

// The first that differs, for a message.
std::string FirstDifference(const Drawn& a, const Drawn& b) {
  for (size_t i = 0; i < a.tokens.size() && i < b.tokens.size(); ++i) {
    if (a.tokens[i] != b.tokens[i] || a.log_prob_bits[i] != b.log_prob_bits[i]) {
      return "first difference at token " + std::to_string(i);
    }
  }
  return "lengths " + std::to_string(a.tokens.size()) + ", " + std::to_string(b.tokens.size()) +
         "; or the sums differ";
}

const RandomModel& TinyModel() {
  static const RandomModel* const kModel = new RandomModel(MakeRandomModel(SmallConfig(), 3));
  return *kModel;
}

class CpuScheduling {
 public:
  explicit CpuScheduling(int max_slots = 64, const SchedulerOptions& options = {}) {
    CpuOptions cpu;
    cpu.threads = 1;
    cpu.max_slots = max_slots;
    executor_ = *CreateCpuExecutor(TinyModel().config, TinyModel().weights, cpu);
    scheduler_ = std::make_unique<Scheduler>(options, executor_.get(), &clock_, nullptr);
  }

  void Submit(const Job& job, RecordingSink& sink) {
    scheduler_->Submit(job, *admission_.Admit(), &sink);
  }
  void Run(int steps = 1000) {
    while (steps-- > 0 && scheduler_->RunOneStep()) continue;
  }

 private:
  FakeClock clock_;
  Admission admission_{1000};
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Scheduler> scheduler_;
};

Job TinyJob(uint64_t seed = 11, int prompt_tokens = 6, int new_tokens = 18) {
  Job job;
  for (int i = 0; i < prompt_tokens; ++i) {
    job.prompt.push_back(static_cast<int32_t>((seed + static_cast<uint64_t>(i) * 5) % 16));
  }
  job.stop.max_new_tokens = new_tokens;
  job.seed = seed;
  job.samples = 2;
  job.top_logprobs = 0;
  job.sampling.repetition_penalty = 1.2;
  job.sampling.top_k = 12;
  return job;
}

// By sample index.
std::map<uint32_t, Drawn> Results(const RecordingSink& sink) {
  EXPECT_OK(sink.status);
  std::map<uint32_t, Drawn> results;
  for (const auto& [index, sample] : sink.samples) results[index] = DrawnBy(sample);
  return results;
}

std::map<uint32_t, Drawn> RunAlone(const Job& job) {
  RecordingSink sink;
  CpuScheduling scheduling;
  scheduling.Submit(job, sink);
  scheduling.Run();
  return Results(sink);
}

void ExpectSame(const std::map<uint32_t, Drawn>& alone, const std::map<uint32_t, Drawn>& other) {
  ASSERT_EQ(alone.size(), other.size());
  for (const auto& [index, drawn] : alone) {
    EXPECT_TRUE(drawn == other.at(index))
        << "sample " << index << ": " << FirstDifference(drawn, other.at(index));
  }
}

TEST(CpuExecutorTest, ARequestGivesTheSameInACrowdAsAlone) {
  std::vector<RecordingSink> sinks(12);
  CpuScheduling scheduling(9);
  const auto job = [](size_t i) { return TinyJob(i, static_cast<int>(i) % 8, 16); };
  for (size_t i = 0; i < sinks.size(); ++i) {
    scheduling.Submit(job(i), sinks[i]);
    scheduling.Run(2);
  }
  scheduling.Run();
  for (size_t i = 0; i < sinks.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectSame(RunAlone(job(i)), Results(sinks[i]));
  }
}

TEST(CpuExecutorTest, ARequestGivesTheSameWhateverTheChunksOfItsPrompt) {
  const Job job = TinyJob(11, 19, 5);
  const auto alone = RunAlone(job);
  for (int rows = 1; rows <= 20; ++rows) {
    SCOPED_TRACE(rows);
    RecordingSink sink;
    CpuScheduling scheduling(64, {.prefill_rows_per_step = rows});
    scheduling.Submit(job, sink);
    scheduling.Run();
    ExpectSame(alone, Results(sink));
  }
}

TEST(CpuExecutorTest, ARequestGivesTheSameWhereverItIsPreempted) {
  const Job job = TinyJob();
  const auto alone = RunAlone(job);
  Job urgent = TinyJob(5, 3, 4);
  urgent.priority = 1;
  for (int steps = 1; steps <= 18; ++steps) {
    SCOPED_TRACE(steps);
    RecordingSink sink;
    RecordingSink urgent_sink;
    CpuScheduling scheduling(2, {.prefill_rows_per_step = 4});
    scheduling.Submit(job, sink);
    scheduling.Run(steps);
    scheduling.Submit(urgent, urgent_sink);
    scheduling.Run();
    ExpectSame(alone, Results(sink));
    EXPECT_GE(sink.summary.preemptions, 1);
  }
}

TEST(CpuExecutorTest, AResumeFromAnyCutGoesOnWithTheSameBits) {
  Job job = TinyJob();
  const auto alone = RunAlone(job);
  job.samples = 1;
  for (const auto& [index, whole] : alone) {
    for (size_t cut = 0; cut <= whole.tokens.size(); ++cut) {
      job.first_sample_index = index;
      job.resumed.assign(whole.tokens.begin(), whole.tokens.begin() + static_cast<int>(cut));
      RecordingSink sink;
      CpuScheduling scheduling(64, {.prefill_rows_per_step = 5});
      scheduling.Submit(job, sink);
      scheduling.Run();
      Drawn joined = DrawnBy(sink.samples[index]);
      joined.tokens.insert(joined.tokens.begin(), job.resumed.begin(), job.resumed.end());
      joined.log_prob_bits.insert(joined.log_prob_bits.begin(), whole.log_prob_bits.begin(),
                                  whole.log_prob_bits.begin() + static_cast<int>(cut));
      EXPECT_TRUE(joined == whole)
          << "sample " << index << " cut at " << cut << ": " << FirstDifference(joined, whole);
    }
  }
}

TEST(CpuExecutorTest, AScoreGivesTheLogProbsThatSamplingGave) {
  Job job = TinyJob();
  job.samples = 1;
  RecordingSink sampled;
  CpuScheduling scheduling;
  scheduling.Submit(job, sampled);
  scheduling.Run();
  Job score;
  score.kind = JobKind::kScore;
  score.prompt = job.prompt;
  const std::vector<int32_t>& tokens = sampled.tokens();
  score.prompt.insert(score.prompt.end(), tokens.begin(), tokens.end());
  score.score_from = static_cast<int>(job.prompt.size());
  score.top_logprobs = 0;
  RecordingSink scored;
  scheduling.Submit(score, scored);
  scheduling.Run();
  EXPECT_EQ(DrawnBy(sampled.samples[0]), DrawnBy(scored.samples[0]));
}

}  // namespace
}  // namespace strided
