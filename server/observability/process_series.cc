#include "server/observability/process_series.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace strided {
namespace {

using prometheus::MetricType;

prometheus::MetricFamily Single(const char* name, const char* help, MetricType type, double value) {
  prometheus::ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {.name = name, .help = help, .type = type, .metric = {metric}};
}

// Bytes, or 0 where /proc is missing.
double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");  // proc(5): sizes in pages; the second is resident
  int64_t total = 0;
  int64_t resident = 0;
  if (!(statm >> total >> resident)) return 0;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CpuSeconds() {
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// 0 where the directory cannot be read.
double EntriesOf(const char* directory) {
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  double entries = 0;
  while (!error && entry != std::filesystem::directory_iterator()) {
    ++entries;
    entry.increment(error);
  }
  return entries;
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessSeries::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  const auto add = [&](const char* name, const char* help, MetricType type, double value) {
    if (value > 0) families.push_back(Single(name, help, type, value));
  };
  add("process_resident_memory_bytes", "Resident memory", MetricType::Gauge, ResidentBytes());
  add("process_cpu_seconds_total", "Processor time, user and system", MetricType::Counter,
      CpuSeconds());
  add("process_open_fds", "Open file descriptors", MetricType::Gauge, EntriesOf("/proc/self/fd"));
  add("process_threads", "Threads", MetricType::Gauge, EntriesOf("/proc/self/task"));
  return families;
}

}  // namespace strided
