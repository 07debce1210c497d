#include "server/watchdog.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/observability/log.h"

namespace strided {
namespace {

void LogCondition(const ModelEntry& entry, EngineCondition condition, absl::Duration step) {
  switch (condition) {
    case EngineCondition::kWell:
      return Log(Severity::kInfo, "engine is well again", {{"model", entry.name}});
    case EngineCondition::kSlow:
      return Log(Severity::kWarning, "engine is slow: a step does not end",
                 {{"model", entry.name}, {"step_seconds", absl::ToDoubleSeconds(step)}});
    case EngineCondition::kFailed:
      return Log(Severity::kError, "engine has failed", {{"model", entry.name}});
    case EngineCondition::kHung:
      return Log(Severity::kError, "engine hangs: a step does not end",
                 {{"model", entry.name}, {"step_seconds", absl::ToDoubleSeconds(step)}});
  }
}

}  // namespace

EngineCondition JudgeEngine(const SchedulerHealth& health, const WatchdogSettings& settings,
                            absl::Time now) {
  if (!health.healthy) return EngineCondition::kFailed;
  if (health.step_started == absl::InfinitePast()) return EngineCondition::kWell;
  const absl::Duration step = now - health.step_started;
  if (step > settings.hung_step_limit) return EngineCondition::kHung;
  return step > settings.slow_step_limit ? EngineCondition::kSlow : EngineCondition::kWell;
}

EngineCondition Watchdog::Check() {
  const absl::Time now = clock_->Now();
  EngineCondition worst = EngineCondition::kWell;
  for (const ModelEntry& entry : models_->List()) {
    if (entry.model == nullptr) continue;
    const SchedulerHealth health = entry.model->scheduler->health();
    const EngineCondition condition = JudgeEngine(health, settings_, now);
    EngineCondition& last = last_[absl::StrCat(entry.name, "/", entry.version)];
    if (condition != last) {
      LogCondition(entry, condition, now - health.step_started);
      entry.model->metrics->SetEngineHealthy(condition == EngineCondition::kWell);
      last = condition;
    }
    worst = std::max(worst, condition);
  }
  return worst;
}

}  // namespace strided
