#include "client/cpp/output/byte_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

TEST(ByteSinkTest, AFileHoldsWhatWasWritten) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/out";
  {
    ASSERT_OK_AND_ASSIGN(const auto sink, FileSink::Create(path));
    EXPECT_OK(sink->Write("ab"));
    EXPECT_OK(sink->Write(std::string("c\0d", 3)));
  }
  ASSERT_OK_AND_ASSIGN(const std::string contents, ReadInput(path));
  EXPECT_EQ(contents, std::string("abc\0d", 5));
}

TEST(ByteSinkTest, AFileThatIsNeverWrittenIsLeftAsItWas) {
  const TemporaryDirectory directory;
  const std::string fresh = directory.path() + "/fresh";
  const std::string old = directory.Write("old", "precious");
  {
    ASSERT_OK_AND_ASSIGN(const auto fresh_sink, FileSink::Create(fresh));
    ASSERT_OK_AND_ASSIGN(const auto old_sink, FileSink::Create(old));
    EXPECT_TRUE(std::filesystem::exists(fresh));
  }
  EXPECT_FALSE(std::filesystem::exists(fresh));
  EXPECT_EQ(*ReadInput(old), "precious");
}

TEST(ByteSinkTest, AnOlderFileIsReplacedWhole) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("old", "a long text");
  EXPECT_OK((*FileSink::Create(path))->Write("new"));
  EXPECT_EQ(*ReadInput(path), "new");
}

TEST(ByteSinkTest, WhatWasWrittenCanBeOverwrittenInFilesAndStrings) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/out";
  ASSERT_OK_AND_ASSIGN(const auto sink, FileSink::Create(path));
  EXPECT_OK(sink->Write("abcdef"));
  EXPECT_THAT(sink->Overwrite(1, "XY"), IsOkAndHolds(true));
  EXPECT_OK(sink->Write("g"));
  EXPECT_EQ(*ReadInput(path), "aXYdefg");

  std::string text = "before ";
  StringSink string(&text);
  EXPECT_OK(string.Write("abc"));
  EXPECT_THAT(string.Overwrite(1, "X"), IsOkAndHolds(true));
  EXPECT_EQ(text, "before aXc");
}

TEST(ByteSinkTest, AStandardStreamIsOverwrittenFromWhereItBeganOrNotAtAll) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("out", "head ");
  const int file = open(path.c_str(), O_WRONLY);
  ASSERT_EQ(lseek(file, 0, SEEK_END), 5);
  FileSink sink(file, "standard output");
  EXPECT_OK(sink.Write("abc"));
  EXPECT_THAT(sink.Overwrite(0, "X"), IsOkAndHolds(true));
  EXPECT_EQ(*ReadInput(path), "head Xbc");
  close(file);

  const int appending = open(path.c_str(), O_WRONLY | O_APPEND);
  FileSink appended(appending, "standard output");
  EXPECT_OK(appended.Write("def"));
  EXPECT_THAT(appended.Overwrite(0, "X"), IsOkAndHolds(false));
  EXPECT_EQ(*ReadInput(path), "head Xbcdef");
  close(appending);

  int ends[2] = {};
  ASSERT_EQ(pipe(ends), 0);
  FileSink piped(ends[1], "a pipe");
  EXPECT_OK(piped.Write("a"));
  EXPECT_THAT(piped.Overwrite(0, "b"), IsOkAndHolds(false));
  close(ends[0]);
  close(ends[1]);
}

TEST(ByteSinkTest, AFileThatCannotBeOpenedIsNamedWithTheCause) {
  EXPECT_THAT(FileSink::Create("/no/such/folder/x.png"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "cannot open '/no/such/folder/x.png': No such file or directory"));
  EXPECT_THAT(ReadInput("/no/such/file"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "cannot open '/no/such/file': No such file or directory"));
}

TEST(ByteSinkTest, AReaderThatHasGoneIsTold) {
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2] = {};
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  FileSink sink(ends[1], "the pipe");
  const absl::Status status = sink.Write("x");
  close(ends[1]);
  EXPECT_TRUE(IsClosedPipe(status));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown, HasSubstr("cannot write 'the pipe'")));
}

TEST(ByteSinkTest, AFullDeviceIsNoClosedPipe) {
  const int descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) GTEST_SKIP() << "no /dev/full";
  FileSink sink(descriptor, "/dev/full", FileSink::Life::kOwned);
  const absl::Status status = sink.Write("x");
  EXPECT_FALSE(IsClosedPipe(status));
  EXPECT_TRUE(IsWriteError(status));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown, HasSubstr("No space left")));
}

}  // namespace
}  // namespace strided::client
