#include "tests/server/service/fake_model.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace strided {
namespace {

constexpr int kMostTopLogprobs = 32;

ModelConfig SmallModel(Modality modality, int context_length) {
  ModelConfig config;
  config.modality = modality;
  config.vocab_size = 256;
  config.context_length = context_length;
  config.n_layer = config.n_head = 1;
  config.d_model = config.d_ff = config.d_key = config.d_value = 4;
  config.attention = {{*AttentionPattern::Create({.kind = PatternKind::kDense})}};
  return config;
}

}  // namespace

ModelConfig TextConfig() {
  ModelConfig config = SmallModel(Modality::kText, 64);
  config.conditions = {{"mood", 3, {"any", "happy", "sad"}}};
  return config;
}

ModelConfig ImageConfig() {
  ModelConfig config = SmallModel(Modality::kImage, 12);
  config.image = ImageShape{.height = 2, .width = 2, .channels = 3};
  return config;
}

ModelConfig AudioConfig() {
  ModelConfig config = SmallModel(Modality::kAudio, 64);
  config.audio = AudioFormat{.sample_rate_hz = 8000, .encoding = AudioEncoding::kMulaw};
  return config;
}

int32_t FakeToken(const SequenceSpec& spec, int position, int32_t input, int vocab_size) {
  uint64_t mixed = spec.seed * 0x9e3779b97f4a7c15 + spec.sample_index * 0xbf58476d1ce4e5b9 +
                   static_cast<uint64_t>(position) * 0x94d049bb133111eb +
                   static_cast<uint64_t>(input + 1) * 0xd6e8feb86659fd93;
  mixed ^= mixed >> 29;
  mixed *= 0xbf58476d1ce4e5b9;
  return static_cast<int32_t>((mixed >> 32) % static_cast<uint64_t>(vocab_size));
}

float FakeLogProb(int position) { return -static_cast<float>(position + 1) / 64; }

GatedExecutor::GatedExecutor(ModelConfig config)
    : config_(std::move(config)),
      info_{.device = "fake",
            .weight_format = "float32",
            .cache_format = "float32",
            .numerics = "fake",
            .max_rows = 64,
            .parameter_count = 1234} {
  for (int i = 0; i < kMostTopLogprobs; ++i) {
    top_ids_.push_back(i);
    top_values_.push_back(FakeLogProb(i));
  }
}

GatedExecutor::~GatedExecutor() { EXPECT_EQ(cache_usage().slots_in_use, 0); }

void GatedExecutor::AllowSteps(int steps) {
  absl::MutexLock lock(&mu_);
  steps_allowed_ = steps;
}

void GatedExecutor::AllowAllSteps() { AllowSteps(-1); }

void GatedExecutor::FailSteps() {
  absl::MutexLock lock(&mu_);
  failing_ = true;
}

void GatedExecutor::AwaitSlotsInUse(int slots) const {
  const auto reached = [this, slots]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return static_cast<int>(slots_.size()) == slots;
  };
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&reached));
}

void GatedExecutor::AwaitHeldStep() const {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&holds_step_));
}

CacheUsage GatedExecutor::cache_usage() const {
  absl::MutexLock lock(&mu_);
  CacheUsage usage{.capacity_bytes = capacity_bytes_,
                   .slots_in_use = static_cast<int>(slots_.size())};
  for (const auto& [index, spec] : slots_) usage.used_bytes += CacheBytes(spec.max_length);
  return usage;
}

absl::StatusOr<Slot> GatedExecutor::StartSequence(const SequenceSpec& spec) {
  absl::MutexLock lock(&mu_);
  int index = 0;
  while (slots_.count(index) > 0) ++index;
  slots_[index] = spec;
  return Slot(this, index);
}

absl::StatusOr<Slot> GatedExecutor::ForkSequence(const Slot&, const SequenceSpec& spec) {
  return StartSequence(spec);
}

absl::StatusOr<StepResult> GatedExecutor::Run(const StepPlan& plan) {
  absl::MutexLock lock(&mu_);
  holds_step_ = !MayRun();
  mu_.Await(absl::Condition(this, &GatedExecutor::MayRun));
  holds_step_ = false;
  if (failing_) return absl::InternalError("the fake device has failed");
  if (steps_allowed_ > 0) --steps_allowed_;
  results_.clear();
  for (const StepRow& row : plan.rows) results_.push_back(RunRow(row));
  return StepResult(results_);
}

TokenResult GatedExecutor::RunRow(const StepRow& row) {
  TokenResult result;
  result.token = -1;
  if (row.output == RowOutput::kNone) return result;
  const SequenceSpec& spec = slots_.at(row.slot);
  const auto top = static_cast<size_t>(spec.top_logprobs);
  result.token = row.output == RowOutput::kScore
                     ? row.target
                     : FakeToken(spec, row.position, row.input, config_.vocab_size);
  result.log_prob = FakeLogProb(row.position);
  result.top_ids = std::span(top_ids_).first(top);
  result.top_values = std::span(top_values_).first(top);
  return result;
}

void GatedExecutor::ReleaseSlot(int index) {
  absl::MutexLock lock(&mu_);
  slots_.erase(index);
}

FakeModel MakeFakeModel(ModelConfig config, const FakeModelOptions& options) {
  static const SystemClock kSystemClock;
  auto executor = std::make_unique<GatedExecutor>(std::move(config));
  GatedExecutor* const fake = executor.get();
  auto model = std::make_shared<ServedModel>();
  model->name = options.name;
  model->version = options.version;
  model->fingerprint = absl::StrCat("fingerprint of ", options.name);
  model->load_time = absl::Seconds(2);
  model->loaded_at = absl::FromUnixSeconds(1'700'000'000);
  model->metrics = options.metrics;
  if (!options.tokenizer.empty()) {
    const int vocab_size = executor->config().vocab_size;
    model->tokenizer = *Tokenizer::FromJson(options.tokenizer, "tokenizer.json", vocab_size);
  }
  model->executors.push_back(std::move(executor));
  model->scheduler = std::make_unique<SchedulerGroup>(
      options.scheduling, model->executors,
      options.clock == nullptr ? &kSystemClock : options.clock, options.metrics, options.objects);
  if (options.running) model->scheduler->Start();
  return {.executor = fake, .served = std::move(model)};
}

void FakeModels::Add(const std::shared_ptr<const ServedModel>& model) {
  entries_.push_back({.name = model->name,
                      .version = model->version,
                      .state = ModelState::kReady,
                      .state_reason = "",
                      .model = model});
}

absl::StatusOr<std::shared_ptr<const ServedModel>> FakeModels::Find(
    absl::string_view reference) const {
  absl::StatusOr<ModelEntry> entry = Describe(reference);
  if (!entry.ok()) return entry.status();
  if (entry->model == nullptr) return absl::UnavailableError("still loading");
  return entry->model;
}

absl::StatusOr<ModelEntry> FakeModels::Describe(absl::string_view reference) const {
  for (const ModelEntry& entry : entries_) {
    if (entry.name == reference || reference.empty()) return entry;
  }
  return absl::NotFoundError(absl::StrCat("no model ", reference));
}

}  // namespace strided
