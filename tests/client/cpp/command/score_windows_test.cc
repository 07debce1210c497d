#include "client/cpp/command/score_windows.h"

#include <gtest/gtest.h>

#include <vector>

#include "client/cpp/command/score_command.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

TEST(ScoreWindowsTest, EveryPositionIsCountedExactlyOnce) {
  for (size_t length = 0; length <= 40; ++length) {
    for (size_t window = 1; window <= 12; ++window) {
      for (size_t overlap = 0; overlap < window; ++overlap) {
        std::vector<int> counted(length);
        for (const ScoreWindow& w : CoverWithWindows(length, window, overlap)) {
          ASSERT_LE(w.end, length);
          ASSERT_LE(w.end - w.begin, window);
          for (size_t i = w.begin + w.score_from; i < w.end; ++i) ++counted[i];
        }
        ASSERT_EQ(counted, std::vector<int>(length, 1))
            << "length " << length << ", window " << window << ", overlap " << overlap;
      }
    }
  }
}

TEST(ScoreWindowsTest, EveryLaterWindowSeesTheWholeOverlap) {
  const std::vector<ScoreWindow> windows = CoverWithWindows(10, 4, 1);
  ASSERT_EQ(windows.size(), 3U);
  EXPECT_EQ(windows[0].score_from, 0U);
  EXPECT_EQ(windows[1].begin, 3U);
  EXPECT_EQ(windows[1].score_from, 1U);
  EXPECT_EQ(windows[2].end, 10U);
}

size_t WindowsIn(size_t length, const WindowChoice& choice, const v1::Model& model) {
  const auto windows = WindowsOf(length, choice, model);
  EXPECT_OK(windows);
  return windows.ok() ? windows->size() : 0;
}

TEST(ScoreWindowsTest, TheContextIsTheWindowUnlessOneIsChosen) {
  const v1::Model model = TextModel("text", 100);
  EXPECT_EQ(WindowsIn(250, {}, model), 3U);
  EXPECT_EQ(WindowsIn(250, {.window = 50}, model), 5U);
  EXPECT_EQ(WindowsIn(250, {.window = 50, .overlap = 40}, model), 21U);
}

TEST(ScoreWindowsTest, ImagesAreScoredOneByOne) {
  const v1::Model model = ImageModel(2, 2, 3);
  EXPECT_EQ(WindowsIn(36, {}, model), 3U);
  EXPECT_THAT(WindowsOf(37, {}, model),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "the file has 37 bytes, which is no whole number of images of 12"));
  EXPECT_THAT(WindowsOf(36, {.window = 12}, model),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--window and --overlap are not for images: each is scored as a whole"));
}

TEST(ScoreWindowsTest, WindowsThatCannotBeAreRefused) {
  const v1::Model model = TextModel("text", 100);
  EXPECT_THAT(WindowsOf(5, {.window = 101}, model),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--window: 101 is not 1 to 100, the model's context"));
  EXPECT_THAT(WindowsOf(5, {.window = 0}, model), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(WindowsOf(5, {.window = 8, .overlap = 8}, model),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--overlap: 8 is not less than the window of 8"));
}

TEST(ScoreWindowsTest, TheUnitIsTheModelsToken) {
  EXPECT_EQ(TokenUnit(TextModel("text", 1)), "byte");
  EXPECT_EQ(TokenUnit(ImageModel(1, 1, 1)), "dimension");
  EXPECT_EQ(TokenUnit(AudioModel(8000)), "sample");
  v1::Model words = TextModel("words", 1);
  words.set_vocab_size(50257);
  EXPECT_EQ(TokenUnit(words), "token");
}

}  // namespace
}  // namespace strided::client
