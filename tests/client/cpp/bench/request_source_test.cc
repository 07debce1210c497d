#include "client/cpp/bench/request_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace strided::client {
namespace {

v1::Model ModelOf(uint32_t vocab_size) {
  v1::Model model;
  model.set_name("m");
  model.set_version("3");
  model.set_vocab_size(vocab_size);
  return model;
}

TEST(RequestSourceTest, ByteModelsGetBytesOfTheirVocabulary) {
  const v1::Sequence sequence = RandomSequence(ModelOf(16), 10'000, 1, 0);
  ASSERT_EQ(sequence.raw().size(), 10'000u);
  const std::set<char> used(sequence.raw().begin(), sequence.raw().end());
  EXPECT_EQ(used.size(), 16u);
  EXPECT_EQ(*used.rbegin(), 15);
}

TEST(RequestSourceTest, OtherModelsGetIdsOfTheirVocabulary) {
  const v1::Sequence sequence = RandomSequence(ModelOf(1'000), 5'000, 1, 0);
  ASSERT_EQ(sequence.ids().ids_size(), 5'000);
  EXPECT_LT(*std::max_element(sequence.ids().ids().begin(), sequence.ids().ids().end()), 1'000u);
  EXPECT_GT(*std::max_element(sequence.ids().ids().begin(), sequence.ids().ids().end()), 900u);
}

TEST(RequestSourceTest, EveryRequestHasAnotherPromptAndTheSeedRepeatsThem) {
  const v1::Model model = ModelOf(256);
  const std::string first = RandomSequence(model, 50, 1, 0).raw();
  EXPECT_EQ(RandomSequence(model, 50, 1, 0).raw(), first);
  EXPECT_NE(RandomSequence(model, 50, 1, 1).raw(), first);
  EXPECT_NE(RandomSequence(model, 50, 2, 0).raw(), first);
}

TEST(RequestSourceTest, NoTokensAreNoData) {
  EXPECT_EQ(RandomSequence(ModelOf(256), 0, 1, 0).data_case(), v1::Sequence::DATA_NOT_SET);
}

TEST(RequestSourceTest, ARequestIsTheBaseWithThePromptForTheModelsVersion) {
  v1::GenerateRequest base;
  base.mutable_sampling()->set_max_new_tokens(9);
  const RequestSource source(ModelOf(256), {.tokens = 12}, base);
  const v1::GenerateRequest request = source.Generate(4);
  EXPECT_EQ(request.model(), "m/3");
  EXPECT_EQ(request.sampling().max_new_tokens(), 9u);
  EXPECT_EQ(request.prompt().raw().size(), 12u);
  EXPECT_EQ(source.Score(4).model(), "m/3");
  EXPECT_EQ(source.Score(4).sequence().raw(), request.prompt().raw());
}

TEST(RequestSourceTest, CodesOfAFileAreEveryRequests) {
  const RequestSource source(ModelOf(256), {.tokens = 12, .codes = "file"}, {});
  EXPECT_EQ(source.Generate(0).prompt().raw(), "file");
  EXPECT_EQ(source.Generate(1).prompt().raw(), "file");
  EXPECT_EQ(source.Score(2).sequence().raw(), "file");
}

}  // namespace
}  // namespace strided::client
