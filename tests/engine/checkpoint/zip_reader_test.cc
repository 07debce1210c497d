#include "engine/checkpoint/zip_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/base/status_macros.h"
#include "tests/testing/npz_writer.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// All of the only member of an archive, read in pieces.
absl::StatusOr<std::string> Unpack(const ZipEntry& entry, size_t piece = 7) {
  const std::string file = ZipFile(std::vector{entry});
  ASSIGN_OR_RETURN(const std::vector<ZipMember> members, ParseZip(std::as_bytes(std::span(file))));
  ZipReader reader(members.front());
  std::string contents(static_cast<size_t>(members.front().size), '\0');
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(contents));
  for (size_t begin = 0; begin < bytes.size(); begin += piece) {
    RETURN_IF_ERROR(reader.Read(bytes.subspan(begin, std::min(piece, bytes.size() - begin))));
  }
  RETURN_IF_ERROR(reader.Finish());
  return contents;
}

std::string LongText() {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * i % 977);
  return text;
}

TEST(ZipReaderTest, PiecesOfAnySizeGiveTheContents) {
  for (const bool deflated : {false, true}) {
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, LongText().size()}) {
      EXPECT_THAT(Unpack({.name = "a", .contents = LongText(), .deflated = deflated}, piece),
                  IsOkAndHolds(LongText()));
    }
  }
}

TEST(ZipReaderTest, AMemberMayBeEmpty) {
  EXPECT_THAT(Unpack({.name = "a"}), IsOkAndHolds(""));
  EXPECT_THAT(Unpack({.name = "a", .deflated = true}), IsOkAndHolds(""));
}

TEST(ZipReaderTest, NoMoreIsReadThanTheMemberHas) {
  const std::string file = ZipFile(std::vector<ZipEntry>{{.name = "a", .contents = "text"}});
  ASSERT_OK_AND_ASSIGN(const std::vector<ZipMember> members,
                       ParseZip(std::as_bytes(std::span(file))));
  ZipReader reader(members.front());
  std::vector<std::byte> bytes(5);
  EXPECT_THAT(reader.Read(bytes), StatusIs(kInvalid, "has 4 bytes; expected at least 5"));
}

TEST(ZipReaderTest, AMemberThatIsNotReadToItsEndIsNotFinished) {
  const std::string file = ZipFile(std::vector<ZipEntry>{{.name = "a", .contents = "text"}});
  ASSERT_OK_AND_ASSIGN(const std::vector<ZipMember> members,
                       ParseZip(std::as_bytes(std::span(file))));
  ZipReader reader(members.front());
  std::vector<std::byte> bytes(3);
  EXPECT_OK(reader.Read(bytes));
  EXPECT_THAT(reader.Finish(), StatusIs(kInvalid, "has 4 bytes; expected 3"));
}

TEST(ZipReaderTest, ContentsThatUnpackToAnotherSizeAreRefused) {
  ZipEntry entry = {.name = "a", .contents = LongText(), .deflated = true};
  entry.said_size = LongText().size() - 1;
  EXPECT_THAT(Unpack(entry), StatusIs(kInvalid, HasSubstr("unpacks to more bytes")));
  entry.said_size = LongText().size() + 1;
  EXPECT_THAT(Unpack(entry),
              StatusIs(kInvalid, HasSubstr("unpacks to 14385 bytes; expected 14386")));
}

TEST(ZipReaderTest, DataThatBreaksOffIsRefused) {
  const std::string whole = Deflated(LongText());
  for (const size_t size : {size_t{1}, whole.size() / 2, whole.size() - 1}) {
    EXPECT_THAT(Unpack({.name = "a",
                        .contents = LongText(),
                        .deflated = true,
                        .packed = whole.substr(0, size)}),
                StatusIs(kInvalid))
        << size;
  }
}

TEST(ZipReaderTest, DataBehindTheEndIsRefused) {
  EXPECT_THAT(Unpack({.name = "a",
                      .contents = LongText(),
                      .deflated = true,
                      .packed = Deflated(LongText()) + "xy"}),
              StatusIs(kInvalid, "has 2 packed bytes behind its end; expected none"));
}

TEST(ZipReaderTest, WhatIsNotDeflateIsRefused) {
  EXPECT_THAT(Unpack({.name = "a", .contents = "text", .deflated = true, .packed = "\xff\xff\xff"}),
              StatusIs(kInvalid, HasSubstr("is not DEFLATE data")));
}

TEST(ZipReaderTest, AWrongChecksumIsRefused) {
  for (const bool deflated : {false, true}) {
    EXPECT_THAT(
        Unpack({.name = "a", .contents = "text", .deflated = deflated, .said_crc32 = 0x1234}),
        StatusIs(kInvalid, HasSubstr("expected 00001234")));
  }
}

}  // namespace
}  // namespace strided
