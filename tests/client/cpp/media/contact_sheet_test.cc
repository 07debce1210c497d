#include "client/cpp/media/contact_sheet.h"

#include <gtest/gtest.h>

namespace strided::client {
namespace {

Image Filled(int height, int width, uint8_t value) {
  Image image = BlackImage(height, width, 1);
  image.samples.assign(image.samples.size(), value);
  return image;
}

TEST(ContactSheetTest, OneImageIsItsOwnSheet) {
  EXPECT_EQ(ContactSheet(std::vector<Image>{Filled(3, 2, 9)}).samples, Filled(3, 2, 9).samples);
}

TEST(ContactSheetTest, ImagesStandInReadingOrderTwoPixelsApart) {
  const std::vector<Image> images = {Filled(1, 1, 1), Filled(1, 1, 2), Filled(1, 1, 3)};
  const Image sheet = ContactSheet(images);
  EXPECT_EQ(sheet.height, 4);
  EXPECT_EQ(sheet.width, 4);
  EXPECT_EQ(sheet.samples, (std::vector<uint8_t>{1, 0, 0, 2,  //
                                                 0, 0, 0, 0,  //
                                                 0, 0, 0, 0,  //
                                                 3, 0, 0, 0}));
}

}  // namespace
}  // namespace strided::client
