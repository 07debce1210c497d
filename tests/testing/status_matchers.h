// GoogleTest matchers for absl::Status and absl::StatusOr.
//
//   EXPECT_OK(status);
//   EXPECT_THAT(result, IsOkAndHolds(3));
//   EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound, HasSubstr("slot")));
//   ASSERT_OK_AND_ASSIGN(Weights weights, Weights::Load(path, config));

#ifndef STRIDED_TESTS_TESTING_STATUS_MATCHERS_H_
#define STRIDED_TESTS_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/status_macros.h"

namespace strided {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << "status: " << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// The code, and any text.
MATCHER_P(StatusIs, code,
          std::string(negation ? "has not" : "has") + " the code " +
              absl::StatusCodeToString(code)) {
  *result_listener << "status: " << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

// The code, and a text that `message` (a matcher or the exact string) matches.
MATCHER_P2(StatusIs, code, message,
           std::string(negation ? "has not" : "has") + " the code " +
               absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message)) {
  *result_listener << "status: " << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::Matches(message)(std::string(StatusOf(arg).message()));
}

// A StatusOr with a value that `value` (a matcher or an equal) matches.
MATCHER_P(IsOkAndHolds, value, negation ? "is an error or holds another value" : "holds") {
  if (!arg.ok()) {
    *result_listener << "status: " << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(value, *arg, result_listener);
}

}  // namespace strided

#define EXPECT_OK(expression) EXPECT_THAT((expression), ::strided::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT((expression), ::strided::IsOk())

// Declares and assigns, or fails the test with the status and returns.
#define ASSERT_OK_AND_ASSIGN(declaration, expression) \
  STRIDED_ASSERT_OK_AND_ASSIGN_(STRIDED_CONCAT_(strided_result_, __LINE__), declaration, expression)
#define STRIDED_ASSERT_OK_AND_ASSIGN_(result, declaration, expression) \
  auto result = (expression);                                          \
  ASSERT_TRUE(result.ok()) << result.status().ToString();              \
  declaration = std::move(result).value()

#endif  // STRIDED_TESTS_TESTING_STATUS_MATCHERS_H_
