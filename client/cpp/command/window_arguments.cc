#include "client/cpp/command/window_arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"

namespace strided::client {
namespace {

// Tokens of a hop that is given as a count, or as a part of `context`.
absl::StatusOr<uint64_t> ParseHop(const std::string& text, uint64_t context) {
  if (!absl::StrContains(text, '.')) return ParseUint64("--hop", text);
  const absl::StatusOr<float> part = ParseFloat("--hop", text);
  if (!part.ok()) return part.status();
  if (!(*part > 0 && *part < 1)) {
    return UsageError(absl::StrCat("--hop: '", text,
                                   "' is neither a part of the context, above 0 and below 1, nor ",
                                   "a number of tokens"));
  }
  return std::max<uint64_t>(1, static_cast<uint64_t>(*part * static_cast<double>(context)));
}

}  // namespace

void WindowArguments::AddTo(CLI::App* subcommand) {
  constexpr char kGroup[] = "Beyond the context";
  subcommand
      ->add_option("--length", length,
                   "Make so many tokens, however long the context: from its end on, each window "
                   "begins with the last part of the one before")
      ->type_name("N")
      ->group(kGroup);
  subcommand
      ->add_option("--hop", hop,
                   "New tokens of each such window: a number, or a part of the context such as "
                   "0.25; unset: half of it")
      ->type_name("N|X")
      ->group(kGroup);
}

absl::Status WindowArguments::Check() const {
  if (hop.has_value() && !length.has_value()) return UsageError("--hop needs --length");
  if (!length.has_value()) return absl::OkStatus();
  return Read(v1::Model()).status();
}

absl::StatusOr<WindowOptions> WindowArguments::Read(const v1::Model& model) const {
  WindowOptions options;
  const absl::StatusOr<uint64_t> tokens = ParseUint64("--length", *length);
  if (!tokens.ok()) return tokens.status();
  options.length = *tokens;
  if (hop.has_value()) {
    const absl::StatusOr<uint64_t> parsed = ParseHop(*hop, model.context_length());
    if (!parsed.ok()) return parsed.status();
    options.hop = *parsed;
  }
  return options;
}

}  // namespace strided::client
