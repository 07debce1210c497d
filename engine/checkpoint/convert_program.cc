#include "engine/checkpoint/convert_program.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/checkpoint_reader.h"
#include "engine/checkpoint/convert_arguments.h"
#include "engine/checkpoint/converter.h"

namespace strided {
namespace {

enum ExitCode : int { kExitOk = 0, kExitFailed = 1, kExitUsage = 2, kExitInterrupted = 130 };

constexpr double kMebibyte = 1 << 20;

// One line, redrawn in place; nothing of what takes less than half a second.
class ProgressLine {
 public:
  ProgressLine(std::ostream* terminal, const Clock* clock) : terminal_(terminal), clock_(clock) {}
  ~ProgressLine() {
    if (drawn_) *terminal_ << "\r\x1b[K" << std::flush;
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(int64_t done, int64_t total) {
    const absl::Time now = clock_->Now();
    if (now < next_) return;
    next_ = now + absl::Milliseconds(100);
    drawn_ = true;
    *terminal_ << "\r\x1b[K"
               << absl::StrFormat("%d %%  %.1f of %.1f MiB", 100 * done / total,
                                  static_cast<double>(done) / kMebibyte,
                                  static_cast<double>(total) / kMebibyte)
               << std::flush;
  }

 private:
  std::ostream* const terminal_;
  const Clock* const clock_;
  absl::Time next_ = clock_->Now() + absl::Milliseconds(500);
  bool drawn_ = false;
};

// "models/c10/1: 32 layers, 15,153,408 parameters, 57.8 MiB, fingerprint 0123..., conditions
// rotation (4 values)"
std::string Summary(const std::string& directory, const ModelConfig& config,
                    const ConvertedModel& model) {
  std::string text = absl::StrFormat(
      "%s: %d layers, %d parameters, %.1f MiB, fingerprint %s", directory, config.n_layer,
      model.parameters, static_cast<double>(model.bytes) / kMebibyte, model.fingerprint);
  if (!config.conditions.empty()) {
    absl::StrAppend(
        &text, ", conditions ",
        absl::StrJoin(config.conditions, ", ", [](std::string* out, const Condition& condition) {
          absl::StrAppend(out, condition.name, " (", condition.values, " values)");
        }));
  }
  return text + "\n";
}

// Converts, with a progress line that is gone when this returns.
absl::StatusOr<ConvertedModel> Convert(const ForeignCheckpoint& source,
                                       const ConvertArguments& arguments,
                                       const ConvertConsole& console) {
  ProgressLine line(console.error, console.clock);
  return ConvertCheckpoint(source, arguments.directory, arguments.conversion,
                           [&](int64_t done, int64_t total) -> absl::Status {
                             if (console.interrupted->load(std::memory_order_relaxed)) {
                               return absl::CancelledError("interrupted");
                             }
                             if (console.error_is_terminal) line.Show(done, total);
                             return absl::OkStatus();
                           });
}

absl::Status ParseAndConvert(std::vector<std::string> arguments, const ConvertConsole& console) {
  ASSIGN_OR_RETURN(const ConvertArguments parsed, ParseConvertArguments(std::move(arguments)));
  if (parsed.answer.has_value()) {
    *console.out << *parsed.answer << std::flush;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ForeignCheckpoint> source,
                   OpenForeignCheckpoint(parsed.source, parsed.reader));
  ASSIGN_OR_RETURN(const ConvertedModel model, Convert(*source, parsed, console));
  *console.out << Summary(parsed.directory, source->config(), model) << std::flush;
  return absl::OkStatus();
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
      return kExitUsage;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

}  // namespace

int RunConvert(std::vector<std::string> arguments, const ConvertConsole& console) {
  const absl::Status status = ParseAndConvert(std::move(arguments), console);
  const ExitCode code = ExitCodeOf(status);
  if (code == kExitFailed) {
    *console.error << "stride-convert: " << absl::StatusCodeToString(status.code()) << ": "
                   << status.message() << std::endl;
  } else if (code != kExitOk) {
    *console.error << "stride-convert: " << status.message() << std::endl;
  }
  return code;
}

}  // namespace strided
