#include "engine/checkpoint/npy_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/testing/npz_writer.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

absl::StatusOr<NpyHeaderPlace> Find(const std::string& file) {
  return FindNpyHeader(std::as_bytes(std::span(file)).first(kNpyStartBytes));
}

TEST(NpyHeaderTest, TheTextLiesBehindThePrefixOfItsVersion) {
  const std::string dict(300, ' ');
  for (const auto& [major, begin] : {std::pair{1, 10}, std::pair{2, 12}, std::pair{3, 12}}) {
    ASSERT_OK_AND_ASSIGN(const NpyHeaderPlace place, Find(NpyFile(dict, "data", major)));
    EXPECT_EQ(place.begin, begin);
    EXPECT_EQ(place.size, 300);
  }
}

TEST(NpyHeaderTest, OtherFilesAndVersionsAreRefused) {
  EXPECT_THAT(Find("PK\x03\x04 and so on"), StatusIs(kInvalid, HasSubstr("is not an array")));
  EXPECT_THAT(Find(NpyFile("{}", std::string(10, ' '), 4)),
              StatusIs(kInvalid, HasSubstr("has version 4.0")));
  EXPECT_THAT(Find(NpyFile(std::string(10001, ' '), "", 2)),
              StatusIs(kInvalid, "has a NumPy header of 10001 bytes; expected at most 10000"));
}

TEST(NpyHeaderTest, EveryFloatHasItsDType) {
  for (const auto& [descr, dtype] :
       {std::pair{"<f4", DType::kFloat32}, std::pair{"<f2", DType::kFloat16},
        std::pair{"<V2", DType::kBfloat16}, std::pair{"|V2", DType::kBfloat16}}) {
    ASSERT_OK_AND_ASSIGN(const NpyHeader header, ParseNpyHeader(NpyDict(descr, "(2, 3)")));
    EXPECT_EQ(header.dtype, dtype) << descr;
    EXPECT_THAT(header.shape, ElementsAre(2, 3));
    EXPECT_EQ(header.elements, 6);
    EXPECT_FALSE(header.fortran_order);
  }
}

TEST(NpyHeaderTest, KeysComeInAnyOrderAndQuotes) {
  ASSERT_OK_AND_ASSIGN(const NpyHeader header,
                       ParseNpyHeader(R"({"shape": (7,), 'fortran_order':True,"descr":"<f4"})"));
  EXPECT_THAT(header.shape, ElementsAre(7));
  EXPECT_TRUE(header.fortran_order);
}

TEST(NpyHeaderTest, ASingleValueHasNoShape) {
  ASSERT_OK_AND_ASSIGN(const NpyHeader header, ParseNpyHeader(NpyDict("<f4", "()")));
  EXPECT_THAT(header.shape, IsEmpty());
  EXPECT_EQ(header.elements, 1);
}

TEST(NpyHeaderTest, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected \"{\""},
      {"{", "expected a string"},
      {"{}", "has only {} in its NumPy header"},
      {"{'descr': '<f4', }", "has only {descr} in its NumPy header"},
      {"[1]", "has \"[1]\" at byte 0 of its NumPy header; expected \"{\""},
      {NpyDict("<f8", "(2,)"), "has dtype '<f8'; expected '<f4', '<f2' or, as bfloat16, '<V2'"},
      {NpyDict(">f4", "(2,)"), "has dtype '>f4'"},
      {NpyDict("<i8", "(2,)"), "has dtype '<i8'"},
      {NpyDict("|O", "(2,)"), "has dtype '|O'"},
      {"{'descr': [('a', '<f4')]}", "expected a string"},
      {"{'descr': 'a\\'b'}", "expected a string"},
      {"{'descr': '<f4", "expected a string"},
      {"{'fortran_order': 1}", "expected True or False"},
      {NpyDict("<f4", "(2)"), "expected a tuple"},
      {NpyDict("<f4", "(2 3)"), "expected \",\" or \")\""},
      {NpyDict("<f4", "(2,"), "expected a whole number"},
      {NpyDict("<f4", "(-2,)"), "expected a whole number"},
      {NpyDict("<f4", "(2,,3)"), "expected a whole number"},
      {NpyDict("<f4", "(1234567890123456789,)"), "expected a number below 10^18"},
      {NpyDict("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "expected at most 8 dimensions"},
      {NpyDict("<f4", "(0,)"), "has shape [0]; expected 1 to 268435456 elements"},
      {NpyDict("<f4", "(65536, 4097)"), "has shape [65536, 4097]; expected 1 to 268435456"},
      {NpyDict("<f4", "(999999999999999999, 999999999999999999)"), "expected 1 to 268435456"},
      {"{'descr': '<f4', 'descr': '<f4'}", "has the key \"descr\" twice"},
      {"{'strides': (2,)}", "has the key \"strides\" in its NumPy header"},
      {NpyDict("<f4", "(2,)") + "x", "expected the end"},
      {"{'descr': '<f4' 'shape': (2,)}", "expected \"}\""},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(ParseNpyHeader(text).status(), StatusIs(kInvalid, HasSubstr(message))) << text;
  }
}

}  // namespace
}  // namespace strided
