#include "tests/end_to_end/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace strided {
namespace {

std::vector<std::string> EnvironmentWith(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!absl::StartsWith(*entry, "STRIDED_")) entries.emplace_back(*entry);
  }
  for (const auto& [name, value] : variables) entries.push_back(absl::StrCat(name, "=", value));
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

int CodeOf(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::map<std::string, std::string>& variables) {
  std::array<int, 2> ends;
  std::vector<std::string> argument_texts = arguments;
  std::vector<std::string> environment = EnvironmentWith(variables);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  bool started = pipe2(ends.data(), O_CLOEXEC) == 0;
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  started =
      started && posix_spawn(&pid_, arguments.front().c_str(), &actions, nullptr,
                             Pointers(argument_texts).data(), Pointers(environment).data()) == 0;
  posix_spawn_file_actions_destroy(&actions);
  if (!started) {
    std::perror(arguments.front().c_str());
    std::abort();
  }
  close(ends[1]);
  reader_ = std::thread([this, pipe = ends[0]] { ReadOutput(pipe); });
}

ChildProcess::~ChildProcess() {
  Signal(SIGKILL);
  reader_.join();
  absl::MutexLock lock(&mu_);
  if (!reaped_) waitpid(pid_, nullptr, 0);
}

void ChildProcess::Signal(int signal) const { kill(pid_, signal); }

void ChildProcess::ReadOutput(int pipe) {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t bytes = read(pipe, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    absl::MutexLock lock(&mu_);
    ended_ = bytes <= 0;
    if (ended_) break;
    output_.append(buffer.data(), static_cast<size_t>(bytes));
  }
  close(pipe);
}

std::string ChildProcess::FindLine(absl::string_view text) const {
  for (const absl::string_view line : absl::StrSplit(output_, '\n')) {
    // A last line without its newline is not whole yet.
    if (absl::StrContains(line, text) && line.end() != absl::string_view(output_).end()) {
      return std::string(line);
    }
  }
  return "";
}

absl::StatusOr<std::string> ChildProcess::AwaitLine(absl::string_view text) const {
  const auto found = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return ended_ || !FindLine(text).empty();
  };
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithTimeout(absl::Condition(&found), kPatience);
  std::string line = FindLine(text);
  if (!line.empty()) return line;
  return absl::NotFoundError(absl::StrCat("no line with \"", text, "\" in: ", output_));
}

int ChildProcess::CountLines(absl::string_view text) const {
  absl::MutexLock lock(&mu_);
  int lines = 0;
  for (const absl::string_view line : absl::StrSplit(output_, '\n')) {
    if (absl::StrContains(line, text)) ++lines;
  }
  return lines;
}

absl::StatusOr<int> ChildProcess::AwaitExit() {
  absl::MutexLock lock(&mu_);
  if (!mu_.AwaitWithTimeout(absl::Condition(&ended_), kPatience)) {
    return absl::DeadlineExceededError(absl::StrCat("still running: ", output_));
  }
  if (!reaped_) {
    int status = 0;
    waitpid(pid_, &status, 0);
    reaped_ = true;
    exit_code_ = CodeOf(status);
  }
  return exit_code_;
}

std::string ChildProcess::output() const {
  absl::MutexLock lock(&mu_);
  return output_;
}

}  // namespace strided
