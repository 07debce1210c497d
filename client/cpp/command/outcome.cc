#include "client/cpp/command/outcome.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/error_details.h"
#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/numbers.h"
#include "client/cpp/output/utf8.h"

namespace strided::client {
namespace {

constexpr char kUsageUrl[] = "strided/usage";

// Text of a server or of gRPC on one line, safe for a terminal.
std::string OneLine(absl::string_view text) {
  Utf8Joiner joiner;
  std::string line = joiner.Add(text);
  line += joiner.Finish();
  for (char& c : line) {
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  }
  return WithoutControls(line);
}

// Where the text does not begin with the field that it is about, the field and a colon.
std::string FieldPrefix(const ErrorDetails& details, absl::string_view message) {
  if (details.fields.empty() || absl::StartsWith(message, details.fields.front().field)) return "";
  return absl::StrCat(details.fields.front().field, ": ");
}

// " (reason QUEUE_FULL, retry in 2 s)", or nothing.
std::string Remarks(const ErrorDetails& details, absl::string_view code) {
  std::vector<std::string> remarks;
  // Where there is no more special reason, the server repeats the code.
  const bool has_reason = !details.reason.empty() && details.reason != code;
  if (has_reason) remarks.push_back(absl::StrCat("reason ", details.reason));
  for (const std::string& quota : details.quotas) remarks.push_back(absl::StrCat("quota ", quota));
  if (details.retry_delay.has_value()) {
    const double seconds = absl::ToDoubleSeconds(*details.retry_delay);
    remarks.push_back(absl::StrCat("retry in ", ShortNumber(seconds), " s"));
  }
  return remarks.empty() ? "" : absl::StrCat(" (", absl::StrJoin(remarks, ", "), ")");
}

}  // namespace

absl::Status UsageError(absl::string_view message) {
  return AsUsageError(absl::InvalidArgumentError(message));
}

absl::Status AsUsageError(const absl::Status& status) {
  absl::Status usage = status;
  usage.SetPayload(kUsageUrl, absl::Cord());
  return usage;
}

bool IsUsageError(const absl::Status& status) { return status.GetPayload(kUsageUrl).has_value(); }

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok() || IsClosedPipe(status)) return kExitOk;
  if (IsUsageError(status)) return kExitUsage;
  if (absl::IsCancelled(status)) return kExitInterrupted;
  if (absl::IsUnavailable(status) && DetailsOf(status).reason.empty()) return kExitUnreachable;
  return kExitFailed;
}

std::string ErrorLine(const absl::Status& status, absl::string_view program) {
  const std::string message(status.message());
  if (status.ok() || IsClosedPipe(status)) return "";
  if (IsUsageError(status) || IsWriteError(status)) {
    return absl::StrCat(program, ": ", OneLine(message), "\n");
  }
  if (absl::IsCancelled(status)) return absl::StrCat(program, ": interrupted\n");
  const ErrorDetails details = DetailsOf(status);
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string text =
      absl::StrCat(FieldPrefix(details, message), message, Remarks(details, code));
  return absl::StrCat(program, ": ", code, ": ", OneLine(text), "\n");
}

}  // namespace strided::client
