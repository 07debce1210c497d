#include "engine/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::HasSubstr;

TEST(FileTest, ASmallFileIsReadWhole) {
  const TemporaryDirectory directory;
  const std::string contents("a\0b\n", 4);
  EXPECT_THAT(ReadSmallFile(directory.Write("f", contents), 4), IsOkAndHolds(contents));
  EXPECT_THAT(ReadSmallFile(directory.Write("f", ""), 0), IsOkAndHolds(std::string()));
}

TEST(FileTest, ALargerFileIsRefusedWithBothSizes) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("f", "12345");
  EXPECT_THAT(ReadSmallFile(path, 4), StatusIs(absl::StatusCode::kInvalidArgument,
                                               path + " has 5 bytes; expected at most 4"));
}

TEST(FileTest, AFileThatIsNotThereIsNotFound) {
  const TemporaryDirectory directory;
  EXPECT_THAT(ReadableFile::Open(directory.path() + "/f"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(directory.path() + "/f")));
}

TEST(FileTest, APipeDoesNotHoldTheCaller) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(ReadableFile::Open(path),
              StatusIs(absl::StatusCode::kInvalidArgument, path + " is not a regular file"));
}

TEST(FileTest, AMoveLeavesOneOwner) {
  const TemporaryDirectory directory;
  ASSERT_OK_AND_ASSIGN(ReadableFile first, ReadableFile::Open(directory.Write("f", "123")));
  const int descriptor = first.descriptor();
  const ReadableFile second = std::move(first);
  EXPECT_EQ(second.descriptor(), descriptor);
  EXPECT_EQ(second.size(), 3);
}

}  // namespace
}  // namespace strided
