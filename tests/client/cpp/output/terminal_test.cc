#include "client/cpp/output/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

namespace strided::client {
namespace {

Environment Of(const std::map<std::string, std::string>& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

TEST(TerminalTest, ColoursAreThoseThatTheEnvironmentPromises) {
  EXPECT_EQ(ColoursOf(Of({{"TERM", "xterm-256color"}, {"COLORTERM", "truecolor"}})),
            Colours::k24Bit);
  EXPECT_EQ(ColoursOf(Of({{"TERM", "xterm-direct"}})), Colours::k24Bit);
  EXPECT_EQ(ColoursOf(Of({{"TERM", "tmux-256color"}})), Colours::k256);
  EXPECT_EQ(ColoursOf(Of({{"TERM", "vt100"}})), Colours::kNone);
  EXPECT_EQ(ColoursOf(Of({})), Colours::kNone);
}

TEST(TerminalTest, WhoWantsNoColoursGetsNone) {
  EXPECT_EQ(ColoursOf(Of({{"TERM", "xterm"}, {"COLORTERM", "24bit"}, {"NO_COLOR", "1"}})),
            Colours::kNone);
  EXPECT_EQ(ColoursOf(Of({{"TERM", "dumb"}, {"COLORTERM", "truecolor"}})), Colours::kNone);
}

TEST(TerminalTest, AFileIsNotInteractive) {
  const int descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  const Terminal terminal = DetectTerminal(descriptor, Of({{"TERM", "xterm-256color"}}));
  close(descriptor);
  EXPECT_FALSE(terminal.interactive);
  EXPECT_EQ(terminal.columns(), 80);
}

}  // namespace
}  // namespace strided::client
