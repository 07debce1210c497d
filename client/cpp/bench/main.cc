// `stride-bench`: the load generator of Strided. See client/README.md.

#include "client/cpp/bench/bench_program.h"
#include "client/cpp/command/process.h"

int main(int argc, char** argv) {
  return strided::client::RunInProcess(strided::client::RunBench, argc, argv);
}
