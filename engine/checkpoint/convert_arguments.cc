#include "engine/checkpoint/convert_arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <exception>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/model/config_parser.h"

namespace strided {
namespace {

constexpr char kVersionLine[] = "stride-convert " STRIDED_VERSION;

constexpr char kFooter[] = R"(Either --preset, or --heads, --schedule and --stride together.

Exit codes:
  0    done
  1    the output cannot be written, or the system refuses something
  2    the arguments, or files that they name, are wrong
  130  interrupted)";

// As they are typed.
struct Flags {
  std::string source;
  std::string destination;
  int64_t version = 1;
  std::string from = "auto";
  std::string dtype = "float32";
  std::string preset;
  std::string schedule;
  int64_t heads = 0;
  int64_t stride = 0;
  bool raw = false;
};

void Declare(Flags& flags, CLI::App& app) {
  app.footer(kFooter);
  app.add_option("SOURCE", flags.source, "the checkpoint: a .npz file")->required();
  app.add_option("DEST", flags.destination, "the model's directory, e.g. models/c10")->required();
  app.add_option("--model-version", flags.version, "DEST/<this> is made (default 1)");
  app.add_option("--from", flags.from, "kind of SOURCE: auto or npz (default auto)");
  app.add_option("--dtype", flags.dtype, "of matrices: float32 or bfloat16 (default float32)");
  app.add_option("--preset", flags.preset, "a published run: c10-15m, c10-58m or c10-150m");
  app.add_option("--heads", flags.heads, "heads of a layer");
  app.add_option("--schedule", flags.schedule,
                 "patterns, cycled over the layers: strided,local,local,local");
  app.add_option("--stride", flags.stride, "l: stride, and window of local layers, in tokens");
  app.add_flag("--raw", flags.raw, "the last step's weights instead of their moving averages");
  app.set_version_flag("--version", kVersionLine, "print the version, and end");
}

// The text of --help or --version; none where the program is to run.
absl::StatusOr<std::optional<std::string>> Parse(std::vector<std::string> arguments, Flags& flags) {
  CLI::App app("Turns published checkpoints into models that strided serves", "stride-convert");
  Declare(flags, app);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::CallForVersion& asked) {
    return absl::StrCat(asked.what(), "\n");
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(error.what(), "; see --help"));
  }
  return std::nullopt;
}

absl::Status CheckRange(absl::string_view name, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; expected an integer from 1 to ", most));
}

absl::StatusOr<DType> MatrixDType(absl::string_view name) {
  if (name == "float32") return DType::kFloat32;
  if (name == "bfloat16") return DType::kBfloat16;
  return absl::InvalidArgumentError(
      absl::StrCat("--dtype is \"", absl::CHexEscape(name), "\"; expected float32 or bfloat16"));
}

absl::StatusOr<DistaugOptions> DistaugOptionsOf(const Flags& flags) {
  DistaugOptions options;
  options.raw = flags.raw;
  const std::array<bool, 3> given = {flags.heads != 0, !flags.schedule.empty(), flags.stride != 0};
  const auto count = std::count(given.begin(), given.end(), true);
  if (!flags.preset.empty()) {
    if (count > 0) {
      return absl::InvalidArgumentError(
          "--preset comes with heads, schedule and stride; expected none of these beside it");
    }
    ASSIGN_OR_RETURN(options.preset, DistaugPresetFromName(flags.preset));
    return options;
  }
  if (count == 0) return options;
  if (count != static_cast<int>(given.size())) {
    return absl::InvalidArgumentError(
        "--heads, --schedule and --stride belong together; expected all three, or --preset");
  }
  RETURN_IF_ERROR(CheckRange("--heads", flags.heads, kMaxHeads));
  RETURN_IF_ERROR(CheckRange("--stride", flags.stride, kMaxPatternSpan));
  DistaugLayout layout;
  layout.n_head = static_cast<int>(flags.heads);
  layout.stride = static_cast<int>(flags.stride);
  ASSIGN_OR_RETURN(layout.schedule, ParseDistaugSchedule(flags.schedule));
  options.layout = std::move(layout);
  return options;
}

}  // namespace

absl::StatusOr<ConvertArguments> ParseConvertArguments(std::vector<std::string> arguments) {
  Flags flags;
  ConvertArguments parsed;
  ASSIGN_OR_RETURN(parsed.answer, Parse(std::move(arguments), flags));
  if (parsed.answer.has_value()) return parsed;
  RETURN_IF_ERROR(
      CheckRange("--model-version", flags.version, std::numeric_limits<int64_t>::max()));
  parsed.source = flags.source;
  parsed.directory = absl::StrCat(flags.destination, "/", flags.version);
  ASSIGN_OR_RETURN(parsed.reader.kind, CheckpointKindFromName(flags.from));
  ASSIGN_OR_RETURN(parsed.reader.distaug, DistaugOptionsOf(flags));
  ASSIGN_OR_RETURN(parsed.conversion.matrix_dtype, MatrixDType(flags.dtype));
  return parsed;
}

}  // namespace strided
