// Tells whether the engines are well: whether their steps succeed, and end in time.

#ifndef STRIDED_SERVER_WATCHDOG_H_
#define STRIDED_SERVER_WATCHDOG_H_

#include <map>
#include <string>

#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "server/config/settings.h"
#include "server/repository/model_source.h"
#include "server/scheduling/heartbeat.h"

namespace strided {

// From well to worst.
enum class EngineCondition {
  kWell,
  kSlow,    // a step runs for longer than slow_step_limit; it may end yet
  kFailed,  // a step has failed: the engine's slots are lost
  kHung,    // a step runs for longer than hung_step_limit: its thread cannot be joined
};

// Pure.
EngineCondition JudgeEngine(const SchedulerHealth& health, const WatchdogSettings& settings,
                            absl::Time now);

// Not thread-safe: the server's own thread asks it again and again.
class Watchdog {
 public:
  // The pointees outlive the watchdog.
  Watchdog(const WatchdogSettings& settings, const ModelSource* models, const Clock* clock)
      : settings_(settings), models_(models), clock_(clock) {}

  // The condition of the engine that is worst. Logs what has changed since the last call, and keeps
  // strided_engine_healthy. Never waits for a step.
  EngineCondition Check();

 private:
  const WatchdogSettings settings_;
  const ModelSource* const models_;              // not owned
  const Clock* const clock_;                     // not owned
  std::map<std::string, EngineCondition> last_;  // by "model/version"
};

}  // namespace strided

#endif  // STRIDED_SERVER_WATCHDOG_H_
