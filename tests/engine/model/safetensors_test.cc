#include "engine/model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/safetensors_writer.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// The tensors, or the error, of a whole file. Views of the file do not leave this function.
absl::Status Parse(const std::string& file) {
  return ParseSafetensors(std::as_bytes(std::span(file))).status();
}

// With `data_bytes` zeros behind the header.
absl::Status ParseHeader(absl::string_view header, size_t data_bytes) {
  return Parse(SafetensorsFile(header, std::string(data_bytes, '\0')));
}

std::string Entry(absl::string_view dtype, absl::string_view shape, absl::string_view offsets) {
  return absl::StrCat(R"({"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)",
                      offsets, "}");
}

std::vector<StoredTensor> TwoTensors() {
  return {StoreValues("b", DType::kFloat32, {2, 2}, std::vector<float>{1, 2, 3, 4}),
          StoreValues("a", DType::kBfloat16, {3}, std::vector<float>{5, 6, 7})};
}

TEST(SafetensorsTest, TensorsComeInTheOrderOfTheirBytes) {
  const std::string file = SafetensorsFile(TwoTensors());
  ASSERT_OK_AND_ASSIGN(const std::vector<Tensor> tensors,
                       ParseSafetensors(std::as_bytes(std::span(file))));
  ASSERT_THAT(tensors, SizeIs(2));
  EXPECT_EQ(tensors[0].name, "b");
  EXPECT_EQ(tensors[0].dtype, DType::kFloat32);
  EXPECT_THAT(tensors[0].shape, ElementsAre(2, 2));
  EXPECT_EQ(tensors[1].name, "a");
  EXPECT_EQ(tensors[1].dtype, DType::kBfloat16);
  std::vector<float> row(3);
  tensors[1].ReadRow(0, row);
  EXPECT_THAT(row, ElementsAre(5, 6, 7));
}

TEST(SafetensorsTest, AFileMayHoldNoTensors) {
  EXPECT_OK(ParseHeader("{}", 0));
  EXPECT_OK(ParseHeader(R"({"__metadata__":{"format":"pt"}})", 0));
}

TEST(SafetensorsTest, TheHeaderMayBePaddedWithSpaces) {
  EXPECT_OK(ParseHeader(absl::StrCat(R"({"a":)", Entry("I8", "[1,4]", "[0,4]"), "}   "), 4));
}

TEST(SafetensorsTest, AFileCutAnywhereIsRefused) {
  const std::string file = SafetensorsFile(TwoTensors());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(Parse(file.substr(0, size)), StatusIs(kInvalid)) << "cut at " << size;
  }
  EXPECT_OK(Parse(file));
  EXPECT_THAT(Parse(file + "x"), StatusIs(kInvalid, "has 23 bytes of data; expected 22"));
}

TEST(SafetensorsTest, AHeaderLengthBeyondTheFileIsRefused) {
  std::string file = SafetensorsFile("{}", "");
  const auto with_length = [&](uint64_t length) {
    file.replace(0, 8, reinterpret_cast<const char*>(&length), 8);
    return Parse(file);
  };
  EXPECT_OK(with_length(2));
  EXPECT_THAT(with_length(3), StatusIs(kInvalid,
                                       "has a header of 3 bytes; expected at most 2 in a file of "
                                       "10 bytes"));
  EXPECT_THAT(with_length(std::numeric_limits<uint64_t>::max()),
              StatusIs(kInvalid,
                       "has a header of 18446744073709551615 bytes; expected at most 2 in a file "
                       "of 10 bytes"));
  EXPECT_THAT(with_length(uint64_t{1} << 63), StatusIs(kInvalid));
  EXPECT_THAT(with_length(0), StatusIs(kInvalid, "has a header that is not JSON at byte 1"));
}

TEST(SafetensorsTest, AFileShorterThanALengthIsRefused) {
  EXPECT_THAT(Parse(""), StatusIs(kInvalid, "has 0 bytes; expected at least 8"));
  EXPECT_THAT(Parse("1234567"), StatusIs(kInvalid, "has 7 bytes; expected at least 8"));
}

TEST(SafetensorsTest, AHeaderAboveTheLimitIsRefusedBeforeItIsRead) {
  const std::string header(static_cast<size_t>(kMaxHeaderBytes) + 1, ' ');
  EXPECT_THAT(ParseHeader(header, 0),
              StatusIs(kInvalid,
                       "has a header of 16777217 bytes; expected at most 16777216 in a file of "
                       "16777225 bytes"));
}

TEST(SafetensorsTest, AHeaderThatIsNotAnObjectIsRefused) {
  EXPECT_THAT(ParseHeader("[]", 0), StatusIs(kInvalid, "the header is []; expected an object"));
  EXPECT_THAT(ParseHeader("{\"a\":NaN}", 0),
              StatusIs(kInvalid, "has a header that is not JSON at byte 6"));
  EXPECT_THAT(ParseHeader("{\"\xff\":1}", 0),
              StatusIs(kInvalid, "has a header that is not JSON at byte 3"));
  EXPECT_THAT(ParseHeader(std::string(1000, '['), 0),
              StatusIs(kInvalid, "has a header that is nested more than 16 deep"));
}

TEST(SafetensorsTest, ANameThatComesTwiceIsRefused) {
  const std::string entry = Entry("I8", "[1,4]", "[0,4]");
  EXPECT_THAT(ParseHeader(absl::StrCat("{\"a\":", entry, ",\"a\":", entry, "}"), 4),
              StatusIs(kInvalid, "has a header that has the key \"a\" twice in one object"));
}

TEST(SafetensorsTest, ANameOfMoreThan256BytesIsRefused) {
  const auto with_name = [](size_t bytes) {
    return ParseHeader(
        absl::StrCat("{\"", std::string(bytes, 'a'), "\":", Entry("I8", "[1,4]", "[0,4]"), "}"), 4);
  };
  EXPECT_OK(with_name(256));
  EXPECT_THAT(with_name(257),
              StatusIs(kInvalid, "has a tensor whose name has 257 bytes; expected at most 256"));
}

TEST(SafetensorsTest, EveryWrongEntryIsNamed) {
  const struct {
    std::string entry;
    std::string text;
  } cases[] = {
      {"4", "a is 4; expected an object"},
      {"{}", "a.dtype is missing; expected one of \"F32\", \"F16\", \"BF16\", \"I8\""},
      {Entry("F64", "[1]", "[0,8]"),
       "a.dtype is \"F64\"; expected one of \"F32\", \"F16\", \"BF16\", \"I8\""},
      {Entry("f32", "[1]", "[0,4]"),
       "a.dtype is \"f32\"; expected one of \"F32\", \"F16\", \"BF16\", \"I8\""},
      {R"({"dtype":4})", "a.dtype is 4; expected one of \"F32\", \"F16\", \"BF16\", \"I8\""},
      {R"({"dtype":"F32"})", "a.shape is missing; expected a list of 1 to 2 elements"},
      {Entry("F32", "[]", "[0,4]"), "a.shape is []; expected a list of 1 to 2 elements"},
      {Entry("F32", "[1,1,1]", "[0,4]"), "a.shape is [1,1,1]; expected a list of 1 to 2 elements"},
      {Entry("F32", "1", "[0,4]"), "a.shape is 1; expected a list of 1 to 2 elements"},
      {Entry("F32", "[0]", "[0,0]"), "a.shape[0] is 0; expected an integer from 1 to 1073741824"},
      {Entry("F32", "[2,-1]", "[0,4]"),
       "a.shape[1] is -1; expected an integer from 1 to 1073741824"},
      {Entry("F32", "[1.0]", "[0,4]"),
       "a.shape[0] is 1.0; expected an integer from 1 to 1073741824"},
      {Entry("F32", "[4611686018427387904,4]", "[0,4]"),
       "a.shape[0] is 4611686018427387904; expected an integer from 1 to 1073741824"},
      {Entry("F32", "[18446744073709551615]", "[0,4]"),
       "a.shape[0] is 18446744073709551615; expected an integer from 1 to 1073741824"},
      {Entry("F32", "[1073741824,1073741824]", "[0,8]"),
       "a.data_offsets is [0,8], 8 bytes; expected 4611686018427387904 for F32 [1073741824, "
       "1073741824]"},
      {R"({"dtype":"F32","shape":[2]})",
       "a.data_offsets is missing; expected a list of 2 elements"},
      {Entry("F32", "[2]", "[0]"), "a.data_offsets is [0]; expected a list of 2 elements"},
      {Entry("F32", "[2]", "[0,8,16]"),
       "a.data_offsets is [0,8,16]; expected a list of 2 elements"},
      {Entry("F32", "[2]", "[-8,0]"), "a.data_offsets[0] is -8; expected an integer from 0 to 8"},
      {Entry("F32", "[2]", "[8,16]"), "a.data_offsets[1] is 16; expected an integer from 0 to 8"},
      {Entry("F32", "[2]", "[0,18446744073709551615]"),
       "a.data_offsets[1] is 18446744073709551615; expected an integer from 0 to 8"},
      {Entry("F32", "[2]", "[8,0]"), "a.data_offsets is [8,0], -8 bytes; expected 8 for F32 [2]"},
      {Entry("F32", "[2]", "[0,7]"), "a.data_offsets is [0,7], 7 bytes; expected 8 for F32 [2]"},
      {Entry("F16", "[2]", "[0,8]"), "a.data_offsets is [0,8], 8 bytes; expected 4 for F16 [2]"},
      {Entry("BF16", "[1,2]", "[4,8]"),
       "a begins at byte 4 of the data; expected 0, without gap or overlap"},
      {Entry("I8", "[1,4]", "[0,4]"), "has 8 bytes of data; expected 4"},
      {R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"scale":1})",
       "a.scale is an unknown field; expected only dtype, shape, data_offsets"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ParseHeader(absl::StrCat("{\"a\":", c.entry, "}"), 8), StatusIs(kInvalid, c.text))
        << c.entry;
  }
}

TEST(SafetensorsTest, TensorsThatOverlapOrLeaveAGapAreRefused) {
  const auto two = [](absl::string_view first, absl::string_view second) {
    return ParseHeader(absl::StrCat("{\"a\":", Entry("I8", "[1,4]", first),
                                    ",\"b\":", Entry("I8", "[1,4]", second), "}"),
                       8);
  };
  EXPECT_OK(two("[0,4]", "[4,8]"));
  EXPECT_OK(two("[4,8]", "[0,4]"));
  EXPECT_THAT(
      two("[0,4]", "[0,4]"),
      StatusIs(kInvalid, "b begins at byte 0 of the data; expected 4, without gap or overlap"));
  EXPECT_THAT(
      two("[0,4]", "[3,7]"),
      StatusIs(kInvalid, "b begins at byte 3 of the data; expected 4, without gap or overlap"));
  EXPECT_THAT(
      two("[1,5]", "[4,8]"),
      StatusIs(kInvalid, "a begins at byte 1 of the data; expected 0, without gap or overlap"));
}

TEST(ShardIndexTest, TensorsAreMappedToFiles) {
  ASSERT_OK_AND_ASSIGN(const auto shards, ParseShardIndex(R"({
      "metadata": {"total_size": 12},
      "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})"));
  EXPECT_THAT(shards,
              ElementsAre(Pair("a", "model-1.safetensors"), Pair("b", "model-2.safetensors")));
  EXPECT_THAT(*ParseShardIndex(R"({"weight_map": {}})"), IsEmpty());
}

TEST(ShardIndexTest, WhatIsNotAnIndexIsRefused) {
  EXPECT_THAT(ParseShardIndex("{"), StatusIs(kInvalid, "is not JSON at byte 2"));
  EXPECT_THAT(ParseShardIndex("{}"),
              StatusIs(kInvalid, "weight_map is missing; expected an object"));
  EXPECT_THAT(ParseShardIndex(R"({"weight_map": []})"),
              StatusIs(kInvalid, "weight_map is []; expected an object"));
  EXPECT_THAT(ParseShardIndex(R"({"weight_map": {}, "shards": 2})"),
              StatusIs(kInvalid, "shards is an unknown field; expected only metadata, weight_map"));
}

TEST(ShardIndexTest, AShardIsAPlainFileBesideTheIndex) {
  for (const std::string shard :
       {R"("../model.safetensors")", R"("/etc/model.safetensors")", R"("a/b.safetensors")",
        R"("..")", R"(".safetensors")", R"("")", R"("model.bin")", R"("config.json")",
        R"("a\u0000.safetensors")", "4", "null", "[]"}) {
    EXPECT_THAT(ParseShardIndex(absl::StrCat(R"({"weight_map": {"a": )", shard, "}}")),
                StatusIs(kInvalid, absl::StrCat("weight_map.a is ", shard,
                                                "; expected a file beside the index, "
                                                "*.safetensors")));
  }
}

}  // namespace
}  // namespace strided
