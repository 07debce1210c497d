#include "server/service/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Mail = std::optional<StreamEvent>;

constexpr absl::Duration kDelay = absl::Milliseconds(20);
const absl::Time kStart = absl::FromUnixSeconds(100);

void PushTokens(Mailbox& mailbox, uint32_t sample, int first_position, int count) {
  for (int i = 0; i < count; ++i) {
    PushedToken token;
    token.sample_index = sample;
    token.position = first_position + i;
    token.token = 10 * static_cast<int32_t>(sample) + first_position + i;
    mailbox.Push(token);
  }
}

SampleEnd EndOfSample(int generated_tokens) {
  SampleEnd end;
  end.generated_tokens = generated_tokens;
  return end;
}

// The tokens of a batch; empty where `mail` is none.
std::vector<int32_t> Tokens(const Mail& mail) {
  const auto* batch = mail.has_value() ? std::get_if<TokenBatch>(&*mail) : nullptr;
  return batch == nullptr ? std::vector<int32_t>() : batch->tokens;
}

TEST(MailboxTest, TheFirstTokenIsDueAtOnce) {
  Mailbox mailbox({.message_delay = kDelay});
  EXPECT_TRUE(mailbox.empty());
  PushTokens(mailbox, 0, 5, 1);
  EXPECT_LE(mailbox.NextDue(), kStart);
  const Mail mail = mailbox.Take(kStart);
  EXPECT_THAT(Tokens(mail), ElementsAre(5));
  EXPECT_EQ(std::get<TokenBatch>(*mail).first_position, 5);
  EXPECT_TRUE(mailbox.empty());
}

TEST(MailboxTest, LaterTokensGatherUntilTheDelayHasPassed) {
  Mailbox mailbox({.message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 1);
  mailbox.Take(kStart);
  PushTokens(mailbox, 0, 1, 1);
  PushTokens(mailbox, 0, 2, 1);
  EXPECT_EQ(mailbox.NextDue(), kStart + kDelay);
  EXPECT_FALSE(mailbox.Take(kStart + kDelay - absl::Nanoseconds(1)).has_value());
  EXPECT_THAT(Tokens(mailbox.Take(kStart + kDelay)), ElementsAre(1, 2));
}

TEST(MailboxTest, ATokenThatComesAfterTheDelayDoesNotWait) {
  Mailbox mailbox({.message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 1);
  mailbox.Take(kStart);
  PushTokens(mailbox, 0, 1, 1);
  EXPECT_THAT(Tokens(mailbox.Take(kStart + 2 * kDelay)), ElementsAre(1));
}

TEST(MailboxTest, AFullMessageDoesNotWait) {
  Mailbox mailbox({.message_tokens = 3, .message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 1);
  mailbox.Take(kStart);
  PushTokens(mailbox, 0, 1, 4);
  EXPECT_THAT(Tokens(mailbox.Take(kStart)), ElementsAre(1, 2, 3));
  EXPECT_FALSE(mailbox.Take(kStart).has_value()) << "what is left waits again";
  const Mail rest = mailbox.Take(kStart + kDelay);
  EXPECT_THAT(Tokens(rest), ElementsAre(4));
  EXPECT_EQ(std::get<TokenBatch>(*rest).first_position, 4);
}

TEST(MailboxTest, AFullMailboxDoesNotWait) {
  Mailbox mailbox({.capacity_tokens = 2, .message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 1);
  mailbox.Take(kStart);
  PushTokens(mailbox, 0, 1, 1);
  EXPECT_FALSE(mailbox.full());
  PushTokens(mailbox, 0, 2, 2);
  EXPECT_TRUE(mailbox.full());
  EXPECT_EQ(mailbox.tokens(), 3) << "what a step brings beyond the capacity is taken";
  EXPECT_THAT(Tokens(mailbox.Take(kStart)), ElementsAre(1, 2, 3));
  EXPECT_EQ(mailbox.tokens(), 0);
}

TEST(MailboxTest, ASamplesEndFollowsItsTokensAtOnce) {
  Mailbox mailbox({.message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 1);
  mailbox.Take(kStart);
  PushTokens(mailbox, 0, 1, 1);
  mailbox.End(EndOfSample(2));
  EXPECT_THAT(Tokens(mailbox.Take(kStart)), ElementsAre(1));
  const Mail end = mailbox.Take(kStart);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(std::get<SampleEnd>(*end).generated_tokens, 2);
  EXPECT_TRUE(mailbox.empty());
  EXPECT_EQ(mailbox.NextDue(), absl::InfiniteFuture());
}

TEST(MailboxTest, SamplesTakeTurns) {
  Mailbox mailbox({.message_tokens = 1, .message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 2);
  PushTokens(mailbox, 1, 0, 2);
  EXPECT_THAT(Tokens(mailbox.Take(kStart)), ElementsAre(0));
  EXPECT_THAT(Tokens(mailbox.Take(kStart)), ElementsAre(10));
  EXPECT_THAT(Tokens(mailbox.Take(kStart + absl::Seconds(1))), ElementsAre(1));
  EXPECT_THAT(Tokens(mailbox.Take(kStart + absl::Seconds(1))), ElementsAre(11));
}

TEST(MailboxTest, OnceClosedEverythingIsDue) {
  Mailbox mailbox({.message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 1);
  mailbox.Take(kStart);
  PushTokens(mailbox, 0, 1, 1);
  mailbox.Close();
  EXPECT_THAT(Tokens(mailbox.Take(kStart)), ElementsAre(1));
}

TEST(MailboxTest, ClearDropsTokensAndEnds) {
  Mailbox mailbox({.message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 3);
  mailbox.End(EndOfSample(3));
  mailbox.Clear();
  EXPECT_TRUE(mailbox.empty());
  EXPECT_EQ(mailbox.tokens(), 0);
  EXPECT_FALSE(mailbox.Take(kStart).has_value());
}

TEST(MailboxTest, LogProbabilitiesStayWithTheirTokens) {
  Mailbox mailbox({.message_tokens = 2, .message_delay = kDelay, .log_probs = true});
  for (int i = 0; i < 3; ++i) {
    const std::vector<int32_t> ids = {i, 100 + i};
    const std::vector<float> values = {-1.0F * static_cast<float>(i), -9};
    mailbox.Push({.position = i,
                  .token = i,
                  .log_prob = -0.5F * static_cast<float>(i),
                  .top_ids = ids,
                  .top_values = values});
  }
  mailbox.Close();
  const Mail first = mailbox.Take(kStart);
  const Mail second = mailbox.Take(kStart);
  EXPECT_THAT(std::get<TokenBatch>(*first).top_ids, ElementsAre(0, 100, 1, 101));
  EXPECT_THAT(std::get<TokenBatch>(*second).log_probs, ElementsAre(-1));
  EXPECT_THAT(std::get<TokenBatch>(*second).top_ids, ElementsAre(2, 102));
  EXPECT_THAT(std::get<TokenBatch>(*second).top_values, ElementsAre(-2, -9));
}

TEST(MailboxTest, LogProbabilitiesThatNobodyWantsAreNotKept) {
  Mailbox mailbox({.message_delay = kDelay});
  PushTokens(mailbox, 0, 0, 1);
  EXPECT_THAT(std::get<TokenBatch>(*mailbox.Take(kStart)).log_probs, IsEmpty());
}

}  // namespace
}  // namespace strided
