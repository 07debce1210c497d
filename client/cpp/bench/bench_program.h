// The program `stride-bench`, but for the process around it.

#ifndef STRIDED_CLIENT_CPP_BENCH_BENCH_PROGRAM_H_
#define STRIDED_CLIENT_CPP_BENCH_BENCH_PROGRAM_H_

#include <string>
#include <vector>

#include "client/cpp/command/console.h"

namespace strided::client {

// Parses `arguments` (without the program's name), makes the load, prints what it showed; returns
// the exit code (outcome.h).
int RunBench(std::vector<std::string> arguments, const Console& console);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_BENCH_PROGRAM_H_
