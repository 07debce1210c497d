#include "engine/checkpoint/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/testing/npz_writer.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

absl::Status Parse(const std::string& file) {
  return ParseZip(std::as_bytes(std::span(file))).status();
}

absl::Status ParseOne(const ZipEntry& entry) { return Parse(ZipFile(std::vector{entry})); }

std::string TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(ZipArchiveTest, MembersComeInTheOrderOfTheDirectory) {
  for (const bool zip64 : {false, true}) {
    const std::vector<ZipEntry> entries = {
        {.name = "b", .contents = "stored", .zip64 = zip64},
        {.name = "a", .contents = std::string(1000, 'x'), .deflated = true, .zip64 = zip64}};
    const std::string file = ZipFile(entries, zip64);
    ASSERT_OK_AND_ASSIGN(const std::vector<ZipMember> members,
                         ParseZip(std::as_bytes(std::span(file))));
    ASSERT_EQ(members.size(), 2U);
    EXPECT_EQ(members[0].name, "b");
    EXPECT_FALSE(members[0].deflated);
    EXPECT_EQ(TextOf(members[0].packed), "stored");
    EXPECT_EQ(members[1].name, "a");
    EXPECT_TRUE(members[1].deflated);
    EXPECT_EQ(members[1].size, 1000);
    EXPECT_EQ(TextOf(members[1].packed), Deflated(entries[1].contents));
  }
}

TEST(ZipArchiveTest, AnArchiveMayBeEmpty) { EXPECT_OK(Parse(ZipFile({}))); }

TEST(ZipArchiveTest, AFileCutAnywhereIsRefused) {
  const std::string file =
      ZipFile(std::vector<ZipEntry>{{.name = "a", .contents = "text", .zip64 = true}}, true);
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(Parse(file.substr(0, size)), StatusIs(kInvalid)) << size;
  }
}

TEST(ZipArchiveTest, BytesAroundTheArchiveAreRefused) {
  const std::string file = ZipFile(std::vector<ZipEntry>{{.name = "a", .contents = "text"}});
  EXPECT_THAT(Parse(file + "x"), StatusIs(kInvalid, HasSubstr("does not end with a zip")));
  EXPECT_THAT(Parse("x" + file), StatusIs(kInvalid, HasSubstr("expected it to end at")));
}

TEST(ZipArchiveTest, AMemberMustBeStoredOrDeflated) {
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .said_method = 12}),
              StatusIs(kInvalid, "a is packed by method 12; expected 0 (stored) or 8 (deflated)"));
}

TEST(ZipArchiveTest, AnEncryptedMemberIsRefused) {
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .flags = 1}),
              StatusIs(kInvalid, HasSubstr("a has zip flags 0001")));
}

TEST(ZipArchiveTest, SizesThatCannotBeAreRefused) {
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .said_size = 5}),
              StatusIs(kInvalid, HasSubstr("a claims to unpack from 4 to 5 bytes; expected 4")));
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .said_size = 3}),
              StatusIs(kInvalid, HasSubstr("a claims to unpack from 4 to 3 bytes; expected 4")));
  EXPECT_THAT(
      ParseOne({.name = "a", .contents = "text", .said_packed_size = 400, .said_size = 400}),
      StatusIs(kInvalid, HasSubstr("a has 400 bytes from")));
}

TEST(ZipArchiveTest, ARatioThatDeflateCannotReachIsABomb) {
  const std::string packed(10, 'x');
  ZipEntry entry = {.name = "a", .deflated = true, .packed = packed};
  entry.said_size = 10 * kMaxDeflateRatio;
  EXPECT_OK(ParseOne(entry));
  entry.said_size = 10 * kMaxDeflateRatio + 1;
  EXPECT_THAT(ParseOne(entry), StatusIs(kInvalid, HasSubstr("expected at most 10320")));
  entry.zip64 = true;
  entry.said_size = ~uint64_t{0};
  EXPECT_THAT(ParseOne(entry), StatusIs(kInvalid, HasSubstr("expected at most 10320")));
}

TEST(ZipArchiveTest, MembersThatShareBytesAreABomb) {
  EXPECT_THAT(
      Parse(ZipFile(std::vector<ZipEntry>{{.name = "a", .contents = "text"},
                                          {.name = "a", .contents = "text", .said_offset = 0}})),
      StatusIs(kInvalid, HasSubstr("a is there twice")));
  // The kernel of b lies within a's own bytes.
  const std::string inner = ZipFile(std::vector<ZipEntry>{{.name = "b", .contents = "text"}});
  EXPECT_THAT(
      Parse(ZipFile(std::vector<ZipEntry>{{.name = "a", .contents = inner},
                                          {.name = "b", .contents = "text", .said_offset = 31}})),
      StatusIs(kInvalid, HasSubstr("expected it behind a, which ends at")));
}

TEST(ZipArchiveTest, HeadersThatDisagreeAreRefused) {
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .said_name = "b"}),
              StatusIs(kInvalid, HasSubstr("a has a zip header with another name or method")));
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .said_offset = 7}),
              StatusIs(kInvalid, HasSubstr("a has no zip header at 7")));
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .said_offset = 0xfffffff0}),
              StatusIs(kInvalid, HasSubstr("a has no zip header at 4294967280")));
}

TEST(ZipArchiveTest, AZip64MarkNeedsItsField) {
  EXPECT_THAT(ParseOne({.name = "a", .contents = "text", .said_offset = 0xffffffff}),
              StatusIs(kInvalid, HasSubstr("a has no zip64 field")));
}

TEST(ZipArchiveTest, NamesThatCannotBePrintedAreRefused) {
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(257, 'a')}) {
    EXPECT_THAT(ParseOne({.name = name, .contents = "text"}),
                StatusIs(kInvalid, HasSubstr("expected 1 to 256 bytes of printable ASCII")));
  }
}

TEST(ZipArchiveTest, TheWholeIsBounded) {
  // Zip64 entries with packed sizes that are not there fail first; so the sum is of many ratios.
  std::vector<ZipEntry> entries;
  const std::string packed(1 << 20, 'x');
  for (int i = 0; i < 70; ++i) {
    entries.push_back({.name = std::to_string(i), .deflated = true, .packed = packed});
    entries.back().said_size = int64_t{1} << 30;
  }
  EXPECT_THAT(Parse(ZipFile(entries)),
              StatusIs(kInvalid, HasSubstr("64 brings the unpacked size above 68719476736")));
}

}  // namespace
}  // namespace strided
