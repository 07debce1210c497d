// `stride`: the command line of Strided. See client/README.md.

#include "client/cpp/command/process.h"
#include "client/cpp/command/program.h"

int main(int argc, char** argv) {
  return strided::client::RunInProcess(strided::client::RunProgram, argc, argv);
}
