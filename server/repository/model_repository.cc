#include "server/repository/model_repository.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/base/error_detail.h"
#include "engine/base/quoted.h"
#include "engine/base/status_macros.h"
#include "server/observability/log.h"

namespace strided {
namespace {

// How long a client that asks for a model that is loading is told to wait.
constexpr absl::Duration kLoadingRetry = absl::Seconds(1);

absl::string_view StateLabel(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "loading";
    case ModelState::kWarming:
      return "warming";
    case ModelState::kReady:
      return "ready";
    case ModelState::kDraining:
      return "draining";
    case ModelState::kUnloaded:
      return "unloaded";
    case ModelState::kFailed:
      return "failed";
  }
  return "failed";
}

// What the series of a model whose configuration cannot be read say is "unknown".
std::string ModalityLabel(const FoundModel& found) {
  const absl::StatusOr<ModelConfig> config = ReadModelConfig(found.directory);
  return config.ok() ? std::string(ModalityName(config->modality)) : "unknown";
}

std::string VersionText(int64_t version) { return version > 0 ? absl::StrCat(version) : ""; }

// Whether `a` is the better answer to a request that names no version: what is ready before what
// may become so, before what has failed.
bool Preferred(const ModelEntry& a, const ModelEntry& b) {
  const auto rank = [](const ModelEntry& entry) {
    if (entry.state == ModelState::kReady) return 2;
    return entry.state == ModelState::kFailed ? 0 : 1;
  };
  return rank(a) > rank(b);
}

absl::Status NotReady(const ModelEntry& entry) {
  const std::string title = absl::StrCat("model ", entry.name, "/", entry.version);
  if (entry.state == ModelState::kFailed) {
    return WithReason(absl::FailedPreconditionError(
                          absl::StrCat(title, " could not be loaded: ", entry.state_reason)),
                      {.reason = "MODEL_FAILED", .metadata = {{"model", entry.name}}});
  }
  return WithRetryAfter(
      WithReason(absl::UnavailableError(absl::StrCat(title, " is still loading")),
                 {.reason = "MODEL_LOADING", .metadata = {{"model", entry.name}}}),
      kLoadingRetry);
}

}  // namespace

ModelRepository::ModelRepository(std::string root, ModelOptions options, Metrics* metrics,
                                 const Clock* clock)
    : root_(std::move(root)), options_(std::move(options)), metrics_(metrics), clock_(clock) {}

ModelRepository::~ModelRepository() = default;

absl::Status ModelRepository::Scan() {
  ASSIGN_OR_RETURN(devices_, ChooseDevices(options_.devices, FindDevices()));
  ASSIGN_OR_RETURN(std::vector<FoundModel> models, ScanRepository(root_));
  const auto loadable = std::count_if(models.begin(), models.end(),
                                      [](const FoundModel& found) { return found.problem.ok(); });
  int index = 0;
  for (FoundModel& found : models) {
    ModelMetrics* const metrics =
        metrics_->ForModel(found.name, VersionText(found.version), ModalityLabel(found));
    double memory_fraction = 0;
    if (found.problem.ok()) {
      memory_fraction =
          MemoryFraction(options_.gpu_memory_fraction, static_cast<int>(loadable), index++);
    }
    candidates_.push_back(
        {.found = std::move(found), .metrics = metrics, .memory_fraction = memory_fraction});
  }
  for (const Candidate& candidate : candidates_) {
    const absl::Status& problem = candidate.found.problem;
    Publish(candidate, problem.ok() ? ModelState::kLoading : ModelState::kFailed,
            problem.message());
  }
  return absl::OkStatus();
}

absl::Status ModelRepository::LoadAll(absl::FunctionRef<bool()> keep_on) {
  absl::Status first_error;
  for (const Candidate& candidate : candidates_) {
    if (!keep_on()) return absl::CancelledError("loading was stopped");
    const FoundModel& found = candidate.found;
    const absl::Status status = found.problem.ok() ? LoadOne(candidate) : found.problem;
    if (status.ok()) continue;
    Log(Severity::kError, "model cannot be loaded",
        {{"model", found.name},
         {"version", VersionText(found.version)},
         {"reason", std::string(status.message())}});
    Publish(candidate, ModelState::kFailed, status.message());
    first_error.Update(status);
  }
  return first_error;
}

absl::Status ModelRepository::LoadOne(const Candidate& candidate) {
  ASSIGN_OR_RETURN(std::shared_ptr<const ServedModel> model, BringUp(candidate));
  const ExecutorInfo& info = model->executor().info();
  Log(Severity::kInfo, "model ready",
      {{"model", model->name},
       {"version", model->version},
       {"fingerprint", model->fingerprint},
       {"device", model->device()},
       {"weight_format", info.weight_format},
       {"numerics", info.numerics},
       {"parameters", info.parameter_count},
       {"load_seconds", absl::ToDoubleSeconds(model->load_time)}});
  Publish(candidate, ModelState::kReady, "", std::move(model));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRepository::BringUp(
    const Candidate& candidate) {
  const absl::Time start = clock_->Now();
  ASSIGN_OR_RETURN(const ModelDirectory stored, ReadModelDirectory(candidate.found.directory));
  auto model = std::make_shared<ServedModel>();
  model->name = candidate.found.name;
  model->version = VersionText(candidate.found.version);
  model->metrics = candidate.metrics;
  for (const Device& device : devices_) {
    ASSIGN_OR_RETURN(PlacedModel placed,
                     PlaceModel(stored, options_, device, candidate.memory_fraction));
    if (placed.memory.has_value()) CountMemory(placed.executor->info().device, *placed.memory);
    model->executors.push_back(std::move(placed.executor));
  }
  RETURN_IF_ERROR(CheckSameNumerics(model->executors));
  ASSIGN_OR_RETURN(model->tokenizer, LoadTokenizer(candidate.found.directory, stored.config));
  const Tokenizer* const tokenizer = model->tokenizer.has_value() ? &*model->tokenizer : nullptr;
  ASSIGN_OR_RETURN(model->fingerprint, Fingerprint(stored, model->executor(), tokenizer));
  Publish(candidate, ModelState::kWarming, "");
  for (const auto& executor : model->executors) RETURN_IF_ERROR(WarmUp(*executor));
  model->scheduler =
      std::make_unique<SchedulerGroup>(SchedulingOn(options_, devices_.front().kind),
                                       model->executors, clock_, model->metrics, metrics_);
  model->scheduler->Start();
  model->loaded_at = clock_->Now();
  model->load_time = model->loaded_at - start;
  model->metrics->SetLoadTime(model->load_time);
  model->metrics->SetFingerprint(model->fingerprint);
  return model;
}

void ModelRepository::CountMemory(const std::string& device, const DeviceMemory& memory) {
  DeviceMemory& all = memory_[device];
  all.weights += memory.weights;
  all.cache += memory.cache;
  all.workspace += memory.workspace;
  all.free = memory.free;
  metrics_->SetDeviceMemory(device, MemoryKind::kWeights, all.weights);
  metrics_->SetDeviceMemory(device, MemoryKind::kCache, all.cache);
  metrics_->SetDeviceMemory(device, MemoryKind::kWorkspace, all.workspace);
  metrics_->SetDeviceMemory(device, MemoryKind::kFree, all.free);
}

void ModelRepository::Publish(const Candidate& candidate, ModelState state,
                              absl::string_view reason, std::shared_ptr<const ServedModel> model) {
  const auto& [name, version, directory, problem] = candidate.found;
  candidate.metrics->SetState(StateLabel(state));
  absl::MutexLock lock(&mu_);
  entries_[{name, version}] = {.name = name,
                               .version = VersionText(version),
                               .state = state,
                               .state_reason = std::string(reason),
                               .model = std::move(model)};
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRepository::Find(
    absl::string_view reference) const {
  ASSIGN_OR_RETURN(ModelEntry entry, Describe(reference));
  if (entry.state != ModelState::kReady) return NotReady(entry);
  return std::move(entry.model);
}

absl::StatusOr<ModelEntry> ModelRepository::Describe(absl::string_view reference) const {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(reference, absl::MaxSplits('/', 1));
  const auto& [name, version] = parts;
  const bool names_version = reference.size() > name.size();
  absl::ReaderMutexLock lock(&mu_);
  const bool only_model =
      !entries_.empty() && entries_.begin()->first.first == entries_.rbegin()->first.first;
  const ModelEntry* best = nullptr;
  for (const auto& [key, entry] : entries_) {  // ascending, so that of equals the highest stays
    const bool named = reference.empty() ? only_model : key.first == name;
    if (!named || (names_version && entry.version != version)) continue;
    if (best == nullptr || !Preferred(*best, entry)) best = &entry;
  }
  if (best == nullptr) return NoSuchModel(reference);
  return *best;
}

absl::Status ModelRepository::NoSuchModel(absl::string_view reference) const {
  std::vector<std::string> known;
  for (const auto& [key, entry] : entries_) {
    known.push_back(absl::StrCat(entry.name, "/", entry.version));
  }
  const std::string list = absl::StrJoin(known, ", ");
  if (reference.empty()) {
    return absl::NotFoundError(absl::StrCat("no model is named, and there are several: ", list));
  }
  return absl::NotFoundError(absl::StrCat("no model ", Quoted(reference), "; there are: ", list));
}

std::vector<ModelEntry> ModelRepository::List() const {
  absl::ReaderMutexLock lock(&mu_);
  std::vector<ModelEntry> models;
  for (const auto& [key, entry] : entries_) models.push_back(entry);
  return models;
}

}  // namespace strided
