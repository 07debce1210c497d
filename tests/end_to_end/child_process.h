// A program that a test starts, reads line by line, signals, and outlives.

#ifndef STRIDED_TESTS_END_TO_END_CHILD_PROCESS_H_
#define STRIDED_TESTS_END_TO_END_CHILD_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace strided {

// After this what a test waits for counts as lost, and the test says what it was: shortly before
// ctest, with its ten minutes, would end the test without a word. Nothing waits for it to pass.
inline constexpr absl::Duration kPatience = absl::Minutes(9);

// Waits for `condition` to be true, asking again and again; false after kPatience.
template <typename Condition>
bool Eventually(const Condition& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// Kills and reaps the process when destroyed. Thread-safe.
class ChildProcess {
 public:
  // Runs `arguments` (the program's path first) in this environment without STRIDED_ variables, but
  // with `variables`. Standard output and error are read together. Aborts where the system starts
  // no process: a test cannot go on.
  explicit ChildProcess(const std::vector<std::string>& arguments,
                        const std::map<std::string, std::string>& variables = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;

  // The first line that holds `text`, from the start of the output; what was printed so far, in an
  // error, where the output ends without it or kPatience passes.
  absl::StatusOr<std::string> AwaitLine(absl::string_view text) const ABSL_LOCKS_EXCLUDED(mu_);
  // Lines so far that hold `text`.
  int CountLines(absl::string_view text) const ABSL_LOCKS_EXCLUDED(mu_);

  // Waits for the end: the exit code, or 128 + the signal that ended it; an error after kPatience.
  absl::StatusOr<int> AwaitExit() ABSL_LOCKS_EXCLUDED(mu_);
  // All that was printed so far.
  std::string output() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void ReadOutput(int pipe) ABSL_LOCKS_EXCLUDED(mu_);
  std::string FindLine(absl::string_view text) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  pid_t pid_ = 0;

  mutable absl::Mutex mu_;  // the reading thread and the test
  std::string output_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;  // the output is at its end
  bool reaped_ ABSL_GUARDED_BY(mu_) = false;
  int exit_code_ ABSL_GUARDED_BY(mu_) = 0;

  std::thread reader_;
};

}  // namespace strided

#endif  // STRIDED_TESTS_END_TO_END_CHILD_PROCESS_H_
