#include "server/config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::StatusOr<ConfigEntries> Read(const std::string& contents) {
  const TemporaryDirectory directory;
  return ReadConfigFile(directory.Write("strided.toml", contents));
}

TEST(ConfigFileTest, ValuesAreTextsWordsAndLists) {
  ASSERT_OK_AND_ASSIGN(const ConfigEntries entries, Read("# a comment\n"
                                                         "a = 5 # five\r\n"
                                                         "\tb=\"x y\"\n"
                                                         "c = 'C:\\n'\n"
                                                         "d = [ \"1\", 2,\n"
                                                         "      '3', # three\n"
                                                         "]\n"
                                                         "\"e\" = []"));
  EXPECT_THAT(entries, ElementsAre(Pair("a", ElementsAre("5")), Pair("b", ElementsAre("x y")),
                                   Pair("c", ElementsAre("C:\\n")),
                                   Pair("d", ElementsAre("1", "2", "3")), Pair("e", IsEmpty())));
}

TEST(ConfigFileTest, NothingInsideQuotesEndsAText) {
  ASSERT_OK_AND_ASSIGN(const ConfigEntries entries,
                       Read(R"(a = "# = [,] ' \" \\ \n \x41 \u00e9")"));
  EXPECT_THAT(entries, ElementsAre(Pair("a", ElementsAre("# = [,] ' \" \\ \n A \xc3\xa9"))));
}

TEST(ConfigFileTest, AnEmptyFileHasNoEntries) {
  EXPECT_THAT(Read(""), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Read("\n \t\r\n# end"), IsOkAndHolds(IsEmpty()));
}

TEST(ConfigFileTest, AKeyThatIsThereTwiceHasAllItsValues) {
  EXPECT_THAT(Read("a = 1\na = [2, 3]\n"),
              IsOkAndHolds(ElementsAre(Pair("a", ElementsAre("1", "2", "3")))));
}

TEST(ConfigFileTest, WhatIsNoEntryIsRefusedWithItsLine) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"a = 1\n\xff\xfe\n", "2: no = after \"\\xff\\xfe\""},
      {"a 5", "1: no = after \"a\""},
      {"a: 5", "1: no = after \"a:\""},
      {"= 5", "1: a text is missing"},
      {"a =\n", "1: a text is missing"},
      {"a = 5 6", "1: more behind the value of a"},
      {"a = \"\"\"x\"\"\"", "1: more behind the value of a"},
      {"a = [1 2]", "1: neither , nor ] behind an element of a list"},
      {"a = [1,\n", "2: a text is missing"},
      {"a = [,]", "1: a text is missing"},
      {"a = \"x\nb = \"y\"\n", "1: a quote that does not end"},
      {"a = 'x", "1: a quote that does not end"},
      {"a = \"x\\", "1: a quote that does not end"},
      {"a = \"\\q\"", "1: an escape that is none, such as \\q"},
      {"# a\n\n[models]\n", "3: a section; expected none"},
  };
  for (const auto& [contents, expected] : table) {
    const TemporaryDirectory directory;
    const std::string path = directory.Write("strided.toml", contents);
    EXPECT_THAT(ReadConfigFile(path),
                StatusIs(absl::StatusCode::kInvalidArgument, absl::StrCat(path, ":", expected)));
  }
}

}  // namespace
}  // namespace strided
