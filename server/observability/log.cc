#include "server/observability/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>

#include "absl/time/clock.h"
#include "server/observability/log_line.h"

namespace strided {
namespace {

// Relaxed: a line more or less around a change of the limit is no harm.
std::atomic<Severity> least_severity{Severity::kInfo};

}  // namespace

void SetLogSeverity(Severity least) { least_severity.store(least, std::memory_order_relaxed); }

void Log(Severity severity, absl::string_view message, std::initializer_list<LogField> fields) {
  if (severity < least_severity.load(std::memory_order_relaxed)) return;
  const std::string line = FormatLogLine(absl::Now(), severity, message, fields);
  // One write for a line, so that threads and processes on one pipe do not mix theirs.
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t bytes = write(STDERR_FILENO, line.data() + written, line.size() - written);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return;  // nobody reads: there is nowhere to say so
    written += static_cast<size_t>(bytes);
  }
}

}  // namespace strided
