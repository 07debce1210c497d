#include "client/cpp/output/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/strings/match.h"

namespace strided::client {
namespace {

constexpr int kUsualColumns = 80;

}  // namespace

Colours ColoursOf(const Environment& environment) {
  const std::string term = environment("TERM").value_or("");
  const std::string colorterm = environment("COLORTERM").value_or("");
  if (!environment("NO_COLOR").value_or("").empty() || term.empty() || term == "dumb") {
    return Colours::kNone;
  }
  if (colorterm == "truecolor" || colorterm == "24bit" || absl::EndsWith(term, "-direct") ||
      absl::EndsWith(term, "-truecolor")) {
    return Colours::k24Bit;
  }
  return absl::StrContains(term, "256color") ? Colours::k256 : Colours::kNone;
}

Terminal DetectTerminal(int descriptor, const Environment& environment) {
  Terminal terminal;
  if (isatty(descriptor) == 0) return terminal;
  terminal.interactive = true;
  terminal.colours = ColoursOf(environment);
  terminal.columns = [descriptor] {
    winsize size = {};
    const bool known = ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : kUsualColumns;
  };
  return terminal;
}

}  // namespace strided::client
