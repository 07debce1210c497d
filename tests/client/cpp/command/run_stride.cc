#include "tests/client/cpp/command/run_stride.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

extern char** environ;

namespace strided::client {
namespace {

// Ends the test where `ok` does not hold.
void Require(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::abort();
}

struct Pipe {
  Pipe() { Require(pipe2(ends.data(), O_CLOEXEC) == 0, "pipe2"); }
  std::array<int, 2> ends = {};
};

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentWith(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string name(*entry, strcspn(*entry, "="));
    const bool ours = name == "STRIDED_ADDRESS" || name == "STRIDED_TOKEN" || name == "COLORTERM";
    if (!ours && variables.count(name) == 0) all.emplace_back(*entry);
  }
  for (const auto& [name, value] : variables) {
    all.emplace_back(name).append("=").append(value);
  }
  return all;
}

// One read; false at the end.
bool ReadSome(int descriptor, std::string* text) {
  std::array<char, 4096> buffer;
  const ssize_t count = read(descriptor, buffer.data(), buffer.size());
  if (count <= 0) return false;
  text->append(buffer.data(), static_cast<size_t>(count));
  return true;
}

}  // namespace

RunningProgram::RunningProgram(const std::vector<std::string>& argv, const std::string& input,
                               const std::map<std::string, std::string>& environment) {
  const Pipe in;
  const Pipe out;
  const Pipe error;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.ends[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, error.ends[1], STDERR_FILENO);
  std::vector<std::string> arguments = argv;
  std::vector<std::string> variables = EnvironmentWith(environment);
  Require(posix_spawn(&pid_, argv[0].c_str(), &actions, nullptr, Pointers(arguments).data(),
                      Pointers(variables).data()) == 0,
          "posix_spawn");
  posix_spawn_file_actions_destroy(&actions);
  for (const int end : {in.ends[0], out.ends[1], error.ends[1]}) close(end);
  // A pipe holds 64 KiB, more than any test writes.
  Require(write(in.ends[1], input.data(), input.size()) == static_cast<ssize_t>(input.size()),
          "write");
  close(in.ends[1]);
  out_ = out.ends[0];
  error_ = error.ends[0];
}

RunningProgram::~RunningProgram() {
  if (pid_ > 0) Signal(SIGKILL);
  Wait();
}

void RunningProgram::AwaitOutput() { ReadSome(out_, &ran_.out); }

void RunningProgram::CloseOutput() {
  close(out_);
  out_ = -1;
}

void RunningProgram::Signal(int number) { kill(pid_, number); }

Ran RunningProgram::Wait() {
  if (pid_ < 0) return ran_;
  std::thread errors([this] {
    while (ReadSome(error_, &ran_.error)) {
    }
  });
  while (out_ >= 0 && ReadSome(out_, &ran_.out)) {
  }
  errors.join();
  int status = 0;
  Require(waitpid(pid_, &status, 0) == pid_, "waitpid");
  ran_.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  pid_ = -1;
  if (out_ >= 0) close(out_);
  close(error_);
  return ran_;
}

}  // namespace strided::client
