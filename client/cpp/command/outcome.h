// How a command ends: one line for people, one number for scripts.

#ifndef STRIDED_CLIENT_CPP_COMMAND_OUTCOME_H_
#define STRIDED_CLIENT_CPP_COMMAND_OUTCOME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace strided::client {

enum ExitCode : int {
  kExitOk = 0,           // also where the reader of our output has closed it
  kExitFailed = 1,       // the server refused or failed, or the output cannot be written
  kExitUsage = 2,        // the arguments, or the files that they name
  kExitUnreachable = 3,  // no server answers, or it is not healthy
  kExitInterrupted = 130,
};

// The caller has to change the command line; nothing was asked of the server.
absl::Status UsageError(absl::string_view message);
// `status`, which is not OK, as an error of usage.
absl::Status AsUsageError(const absl::Status& status);
bool IsUsageError(const absl::Status& status);

// Cancelled by Ctrl-C is kExitInterrupted. Unavailable without a reason is kExitUnreachable: every
// refusal by a server has a reason, a connection that fails has none.
ExitCode ExitCodeOf(const absl::Status& status);

// "<program>: INVALID_ARGUMENT: sampling.top_p is 1.5; ... (reason OUT_OF_RANGE, retry in 2 s)" and
// a newline: the server's text on one line, with the field first if the text does not begin with
// it; without the code for a UsageError. Empty for OK, and for a reader that has closed our output.
std::string ErrorLine(const absl::Status& status, absl::string_view program = "stride");

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_OUTCOME_H_
