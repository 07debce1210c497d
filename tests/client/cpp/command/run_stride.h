// The real program, run as a user's shell would.

#ifndef STRIDED_TESTS_CLIENT_CPP_COMMAND_RUN_STRIDE_H_
#define STRIDED_TESTS_CLIENT_CPP_COMMAND_RUN_STRIDE_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace strided::client {

// What a run left behind.
struct Ran {
  int exit_code = -1;  // 128 + the signal's number where one ended it
  std::string out;
  std::string error;
};

// A program that runs. Aborts where the system cannot start it: a test cannot go on.
class RunningProgram {
 public:
  // argv[0] is the path. Standard input is `input`; the environment is this process's, with
  // `environment` set and STRIDED_ADDRESS, STRIDED_TOKEN and COLORTERM unset otherwise.
  explicit RunningProgram(const std::vector<std::string>& argv, const std::string& input = "",
                          const std::map<std::string, std::string>& environment = {});
  ~RunningProgram();  // kills it if it still runs
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  // Waits for at least one byte of standard output.
  void AwaitOutput();
  // Nobody reads its standard output any more.
  void CloseOutput();
  void Signal(int number);
  // Waits for its end.
  Ran Wait();

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  int error_ = -1;
  Ran ran_;
};

}  // namespace strided::client

#endif  // STRIDED_TESTS_CLIENT_CPP_COMMAND_RUN_STRIDE_H_
