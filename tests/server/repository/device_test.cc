#include "server/repository/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr PresentDevices kNotBuiltIn;
constexpr PresentDevices kNoGpu = {.cuda_built_in = true};
constexpr PresentDevices kOneGpu = {.cuda_built_in = true, .cuda_count = 1};
constexpr PresentDevices kFourGpus = {.cuda_built_in = true, .cuda_count = 4};

Device Gpu(int ordinal) { return {.kind = DeviceKind::kCuda, .ordinal = ordinal}; }

TEST(ChooseDevicesTest, AutoIsTheFirstGpuOrElseTheProcessor) {
  EXPECT_THAT(ChooseDevices({"auto"}, kFourGpus), IsOkAndHolds(ElementsAre(Gpu(0))));
  EXPECT_THAT(ChooseDevices({"auto"}, kNoGpu), IsOkAndHolds(ElementsAre(Device())));
  EXPECT_THAT(ChooseDevices({"auto"}, kNotBuiltIn), IsOkAndHolds(ElementsAre(Device())));
}

TEST(ChooseDevicesTest, ADeviceIsNamed) {
  EXPECT_THAT(ChooseDevices({"cpu"}, kFourGpus), IsOkAndHolds(ElementsAre(Device())));
  EXPECT_THAT(ChooseDevices({"cuda"}, kFourGpus), IsOkAndHolds(ElementsAre(Gpu(0))));
  EXPECT_THAT(ChooseDevices({"cuda:3"}, kFourGpus), IsOkAndHolds(ElementsAre(Gpu(3))));
}

TEST(ChooseDevicesTest, SeveralAreNamedOneByOneOrAllTogether) {
  EXPECT_THAT(ChooseDevices({"cuda:2", "cuda:0"}, kFourGpus),
              IsOkAndHolds(ElementsAre(Gpu(2), Gpu(0))));
  EXPECT_THAT(ChooseDevices({"all"}, kFourGpus),
              IsOkAndHolds(ElementsAre(Gpu(0), Gpu(1), Gpu(2), Gpu(3))));
  EXPECT_THAT(ChooseDevices({"cuda", "cuda:0"}, kFourGpus),
              StatusIs(kInvalid, "device \"cuda:0\" is named twice"));
}

TEST(ChooseDevicesTest, WhatIsNotThereIsAnsweredWithWhatIs) {
  EXPECT_THAT(ChooseDevices({"cuda:1"}, kNotBuiltIn),
              StatusIs(kInvalid,
                       "device is \"cuda:1\", which this program was built without; expected auto "
                       "or cpu"));
  EXPECT_THAT(
      ChooseDevices({"cuda"}, kNoGpu),
      StatusIs(kInvalid,
               "device is \"cuda\", and this process can use no GPU; expected auto or cpu"));
  EXPECT_THAT(ChooseDevices({"all"}, kNoGpu), StatusIs(kInvalid));
  EXPECT_THAT(ChooseDevices({"cuda:1"}, kOneGpu),
              StatusIs(kInvalid,
                       "device is \"cuda:1\", which is not there; expected auto, cpu, cuda or "
                       "cuda:0"));
  EXPECT_THAT(ChooseDevices({"cuda:0", "cuda:4"}, kFourGpus),
              StatusIs(kInvalid,
                       "device is \"cuda:4\", which is not there; expected auto, cpu, cuda or "
                       "cuda:0 to cuda:3"));
}

}  // namespace
}  // namespace strided
