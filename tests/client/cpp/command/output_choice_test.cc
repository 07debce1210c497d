#include "client/cpp/command/output_choice.h"

#include <gtest/gtest.h>

#include "tests/client/cpp/messages.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

Format FormatOf(const OutputArguments& arguments, v1::Modality modality) {
  const auto format = ChooseFormat(arguments, modality);
  EXPECT_OK(format);
  return format.ok() ? *format : Format::kNone;
}

TEST(OutputChoiceTest, TextGoesToStandardOutputAndMediaToFiles) {
  EXPECT_EQ(FormatOf({}, v1::MODALITY_TEXT), Format::kText);
  EXPECT_EQ(FormatOf({}, v1::MODALITY_IMAGE), Format::kPng);
  EXPECT_EQ(FormatOf({}, v1::MODALITY_AUDIO), Format::kWav);
}

TEST(OutputChoiceTest, AFilesNameChoosesItsFormat) {
  EXPECT_EQ(FormatOf({.path = "a.PNG"}, v1::MODALITY_IMAGE), Format::kPng);
  EXPECT_EQ(FormatOf({.path = "a.bin"}, v1::MODALITY_IMAGE), Format::kRaw);
  EXPECT_EQ(FormatOf({.path = "a.wav"}, v1::MODALITY_AUDIO), Format::kWav);
  EXPECT_EQ(FormatOf({.path = "a.png"}, v1::MODALITY_AUDIO), Format::kRaw);
  EXPECT_EQ(FormatOf({.path = "a.txt"}, v1::MODALITY_TEXT), Format::kRaw);
  EXPECT_EQ(FormatOf({.path = "-"}, v1::MODALITY_IMAGE), Format::kRaw);
}

TEST(OutputChoiceTest, AFormatThatIsNamedWins) {
  EXPECT_EQ(FormatOf({.path = "-", .format = "png"}, v1::MODALITY_IMAGE), Format::kPng);
  EXPECT_EQ(FormatOf({.path = "a.png", .format = "raw"}, v1::MODALITY_IMAGE), Format::kRaw);
  EXPECT_THAT(ChooseFormat({.format = "wav"}, v1::MODALITY_IMAGE),
              StatusIs(absl::StatusCode::kInvalidArgument, "--format: 'wav' does not fit image"));
  EXPECT_THAT(
      ChooseFormat({.format = "gif"}, v1::MODALITY_IMAGE),
      StatusIs(absl::StatusCode::kInvalidArgument, "--format: 'gif' is not png, wav or raw"));
}

TEST(OutputChoiceTest, JsonWritesAFileOnlyWhereOneIsNamed) {
  EXPECT_EQ(FormatOf({.json = true}, v1::MODALITY_IMAGE), Format::kNone);
  EXPECT_EQ(FormatOf({.json = true}, v1::MODALITY_TEXT), Format::kNone);
  EXPECT_EQ(FormatOf({.path = "a.png", .json = true}, v1::MODALITY_IMAGE), Format::kPng);
}

TEST(OutputChoiceTest, SeveralSamplesAreNumberedBeforeTheExtension) {
  EXPECT_EQ(SamplePath("a.png", 0, 1), "a.png");
  EXPECT_EQ(SamplePath("a.png", 1, 2), "a-1.png");
  EXPECT_EQ(SamplePath("dir.d/a", 0, 2), "dir.d/a-0");
  EXPECT_EQ(SamplePath("dir/.hidden", 0, 2), "dir/.hidden-0");
}

TEST(OutputChoiceTest, TheDefaultNameIsTheModelsAndTheSeeds) {
  v1::Started started = StartedMessage().started();
  started.set_modality(v1::MODALITY_IMAGE);
  EXPECT_EQ(OutputPath({}, started, Format::kPng), "bytes-7.png");
  EXPECT_EQ(OutputPath({}, started, Format::kRaw), "bytes-7.raw");
  EXPECT_EQ(OutputPath({.path = "x"}, started, Format::kRaw), "x");
  EXPECT_EQ(OutputPath({}, started, Format::kNone), "");
  started.set_model("../../etc/x");
  EXPECT_EQ(OutputPath({}, started, Format::kWav), ".._.._etc_x-7.wav");
  started.set_modality(v1::MODALITY_TEXT);
  EXPECT_EQ(OutputPath({}, started, Format::kRaw), "-");
}

TEST(OutputChoiceTest, StandardOutputTakesOneSample) {
  std::string out;
  StringSink sink(&out);
  ASSERT_OK_AND_ASSIGN(const auto sinks, OpenSamples("-", 1, &sink));
  EXPECT_OK(sinks[0]->Write("x"));
  EXPECT_EQ(out, "x");
  EXPECT_THAT(OpenSamples("-", 2, &sink),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--output: '-' takes one sample; name a file for several"));
}

}  // namespace
}  // namespace strided::client
