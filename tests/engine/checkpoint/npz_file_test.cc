#include "engine/checkpoint/npz_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/testing/npz_writer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// The values of the only array, "a", of a file with this member.
absl::StatusOr<std::vector<float>> ReadOnly(const std::string& npy,
                                            ElementOrder order = ElementOrder::kRowMajor,
                                            bool deflated = false) {
  const std::string zip =
      ZipFile(std::vector<ZipEntry>{{.name = "a.npy", .contents = npy, .deflated = deflated}});
  ASSIGN_OR_RETURN(const NpzFile file, NpzFile::Parse(std::as_bytes(std::span(zip)), "file.npz"));
  return file.Read("a", order);
}

TEST(NpzFileTest, NamesAreThoseOfNumPy) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write(
      "file.npz", ZipFile(std::vector<ZipEntry>{
                      {.name = "model/we:0.npy", .contents = NpyFloats({1}, std::vector{2.5F})},
                      {.name = "b", .contents = NpyFloats({1}, std::vector{1.5F})}}));
  ASSERT_OK_AND_ASSIGN(const NpzFile file, NpzFile::Open(path));
  EXPECT_EQ(file.path(), path);
  EXPECT_THAT(file.Names(), ElementsAre("b", "model/we:0"));
  EXPECT_THAT(file.Read("b", ElementOrder::kRowMajor), IsOkAndHolds(ElementsAre(1.5F)));
  EXPECT_THAT(file.Header("c").status(),
              StatusIs(absl::StatusCode::kNotFound, path + ": c is missing"));
}

TEST(NpzFileTest, NamesThatDifferOnlyInTheirEndingAreRefused) {
  const std::string npy = NpyFloats({1}, std::vector{1.0F});
  const std::string zip = ZipFile(
      std::vector<ZipEntry>{{.name = "a.npy", .contents = npy}, {.name = "a", .contents = npy}});
  EXPECT_THAT(NpzFile::Parse(std::as_bytes(std::span(zip)), "file.npz").status(),
              StatusIs(kInvalid, "file.npz: a is there twice; expected it once"));
}

TEST(NpzFileTest, AFileThatIsNoneSaysSo) {
  EXPECT_THAT(NpzFile::Open("/nowhere.npz").status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(NpzFile::Parse({}, "file.npz").status(),
              StatusIs(kInvalid, HasSubstr("file.npz: does not end with a zip directory")));
}

TEST(NpzFileTest, EveryDTypeIsWidened) {
  const std::string one_and_half("\x00\x3e\x00\xc0", 4);  // float16 1.5, -2
  const std::string as_bfloat16("\xc0\x3f\x00\xc0", 4);   // bfloat16 1.5, -2
  EXPECT_THAT(ReadOnly(NpyFile(NpyDict("<f2", "(2,)"), one_and_half)),
              IsOkAndHolds(ElementsAre(1.5F, -2.0F)));
  EXPECT_THAT(ReadOnly(NpyFile(NpyDict("|V2", "(2,)"), as_bfloat16)),
              IsOkAndHolds(ElementsAre(1.5F, -2.0F)));
  EXPECT_THAT(ReadOnly(NpyFloats({2}, std::vector{1.5F, -2.0F})),
              IsOkAndHolds(ElementsAre(1.5F, -2.0F)));
}

TEST(NpzFileTest, EveryVersionOfTheHeaderIsRead) {
  const std::string data("\x00\x3e\x00\xc0", 4);
  for (const int major : {1, 2, 3}) {
    EXPECT_THAT(ReadOnly(NpyFile(NpyDict("<f2", "(2,)"), data, major)),
                IsOkAndHolds(ElementsAre(1.5F, -2.0F)))
        << major;
  }
}

TEST(NpzFileTest, AMatrixComesInTheOrderAskedFor) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::string rows = NpyFloats({2, 3}, values);
  EXPECT_THAT(ReadOnly(rows, ElementOrder::kRowMajor), IsOkAndHolds(ElementsAre(1, 2, 3, 4, 5, 6)));
  EXPECT_THAT(ReadOnly(rows, ElementOrder::kColumnMajor),
              IsOkAndHolds(ElementsAre(1, 4, 2, 5, 3, 6)));
  // In Fortran order the same bytes are the matrix [[1, 3, 5], [2, 4, 6]].
  const std::string data(reinterpret_cast<const char*>(values.data()), 24);
  const std::string columns = NpyFile(NpyDict("<f4", "(2, 3)", true), data);
  EXPECT_THAT(ReadOnly(columns, ElementOrder::kRowMajor),
              IsOkAndHolds(ElementsAre(1, 3, 5, 2, 4, 6)));
  EXPECT_THAT(ReadOnly(columns, ElementOrder::kColumnMajor),
              IsOkAndHolds(ElementsAre(1, 2, 3, 4, 5, 6)));
}

TEST(NpzFileTest, ManyChunksAreOneArray) {
  std::vector<float> values(50000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  for (const bool deflated : {false, true}) {
    EXPECT_THAT(ReadOnly(NpyFloats({50000}, values), ElementOrder::kRowMajor, deflated),
                IsOkAndHolds(values));
  }
}

TEST(NpzFileTest, ANumberThatIsNotFiniteIsNamed) {
  std::vector<float> values(20000, 1.0F);
  values[17000] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(ReadOnly(NpyFloats({20000}, values)).status(),
              StatusIs(kInvalid, "file.npz: a is not finite at element 17000; expected numbers"));
}

TEST(NpzFileTest, AnArrayMustFillItsMember) {
  const std::string npy = NpyFloats({3}, std::vector{1.0F, 2.0F, 3.0F});
  EXPECT_THAT(ReadOnly(npy + "x").status(),
              StatusIs(kInvalid, HasSubstr("for F32 [3] and its header")));
  EXPECT_THAT(ReadOnly(npy.substr(0, npy.size() - 1)).status(),
              StatusIs(kInvalid, HasSubstr("for F32 [3] and its header")));
  for (size_t size = 0; size < npy.size(); ++size) {
    EXPECT_THAT(ReadOnly(npy.substr(0, size)).status(), StatusIs(kInvalid)) << size;
  }
}

// The header speaks of 1 GiB, the member holds 12 bytes: nothing of that size is asked for.
TEST(NpzFileTest, AnArrayThatClaimsToBeHugeIsRefusedByItsHeader) {
  EXPECT_THAT(ReadOnly(NpyFile(NpyDict("<f4", "(268435456,)"), "twelve bytes")).status(),
              StatusIs(kInvalid, HasSubstr("for F32 [268435456] and its header")));
}

}  // namespace
}  // namespace strided
