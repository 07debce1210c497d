#include "engine/base/sha256.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

absl::StatusOr<std::string> DigestOf(const std::vector<std::string>& texts) {
  std::vector<std::span<const std::byte>> parts;
  for (const std::string& text : texts) parts.push_back(std::as_bytes(std::span(text)));
  return Sha256Hex(parts);
}

TEST(Sha256Test, TheDigestsAreThoseOfTheStandard) {
  EXPECT_THAT(DigestOf({}),
              IsOkAndHolds("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  EXPECT_THAT(DigestOf({"abc"}),
              IsOkAndHolds("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

TEST(Sha256Test, TheCutsBetweenPartsDoNotCount) {
  ASSERT_OK_AND_ASSIGN(const std::string whole, DigestOf({"abc"}));
  EXPECT_THAT(DigestOf({"a", "", "bc"}), IsOkAndHolds(whole));
}

}  // namespace
}  // namespace strided
