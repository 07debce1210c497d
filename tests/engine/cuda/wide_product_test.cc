// The products of prefill against sums in double.

#include "engine/cuda/kernels/wide_product.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/weight_packing.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/engine/cuda/packed_matrix.h"

namespace strided::cuda {
namespace {

struct Shape {
  int outputs = 0;
  int inputs = 0;
  int rows = 0;
};

// W x + b for random numbers. Rows of results start at multiples of `stride_quantum` elements.
class ProductCase {
 public:
  ProductCase(const Shape& shape, WeightFormat format, int stride_quantum = 2)
      : shape_(shape),
        out_stride_((shape.outputs + stride_quantum - 1) / stride_quantum * stride_quantum),
        format_(format),
        operand_(OperandOf(format)),
        in_stride_(PackedSteps(shape.inputs) * kStepInputs),
        matrix_(shape.outputs, shape.inputs, format, 1),
        inputs_(Rounded(RandomFloats(Count(shape.rows, shape.inputs), 3), operand_)) {
    device_in_ = ToDevice(EncodeRows(inputs_, shape.inputs, in_stride_, operand_));
  }

  // Rows first, first + 1, ...: out [rows][outputs], which held `before`.
  std::vector<float> Run(WideOutput output, int first, int rows, std::optional<WideTile> tile,
                         float before = 0) const {
    const bool floats = output == WideOutput::kResidual || output == WideOutput::kFloat32;
    const Operand stored = floats ? Operand::kFloat32 : operand_;
    const int stride = out_stride_;
    const std::vector<float> initial(Count(rows, stride), before);
    DeviceBuffer<std::byte> out = ToDevice(EncodeRows(initial, stride, stride, stored));
    WideProduct product;
    product.matrix = matrix_.view();
    product.in = device_in_.data() + int64_t{first} * in_stride_ * OperandBytes(operand_);
    product.in_stride = in_stride_;
    product.out = out.data();
    product.out_stride = stride;
    product.rows = rows;
    product.output = output;
    product.activation = Activation::kQuickGelu;
    const absl::Status status = LaunchWideProduct(product, format_, false, kDefaultStream, tile);
    EXPECT_TRUE(status.ok()) << status;
    return DecodeRows(FromDevice(out), shape_.outputs, stride, stored);
  }

  std::vector<double> Expected(WideOutput output, double before = 0) const {
    std::vector<double> expected;
    const std::span<const float> inputs(inputs_);
    for (int row = 0; row < shape_.rows; ++row) {
      const auto width = static_cast<size_t>(shape_.inputs);
      for (double sum : matrix_.Product(inputs.subspan(Count(row, shape_.inputs), width))) {
        if (output == WideOutput::kActivated) sum /= 1 + std::exp(-1.702 * sum);
        expected.push_back(output == WideOutput::kResidual ? before + sum : sum);
      }
    }
    return expected;
  }

 private:
  static size_t Count(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

  Shape shape_;
  int out_stride_;
  WeightFormat format_;
  Operand operand_;
  int in_stride_;
  PackedMatrix matrix_;
  std::vector<float> inputs_;
  DeviceBuffer<std::byte> device_in_;
};

// Of results around 1: roundings of sums and stored results.
double LimitOf(WeightFormat format, WideOutput output) {
  const bool stored = output == WideOutput::kOperand || output == WideOutput::kActivated;
  switch (OperandOf(format)) {
    case Operand::kFloat32:
      return 1e-5;
    case Operand::kFloat16:
      return stored ? 1e-3 : 1e-4;
    case Operand::kBfloat16:
      return stored ? 5e-3 : 1e-4;
  }
  return 0;
}

constexpr WideOutput kOutputs[] = {WideOutput::kOperand, WideOutput::kActivated,
                                   WideOutput::kResidual, WideOutput::kFloat32};
constexpr WideTile kTiles[] = {WideTile::kLarge, WideTile::kMedium, WideTile::kSmall};

using WideProductTest = CudaTest;

TEST_F(WideProductTest, ResultsAreTheSumsOfADouble) {
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{16, 64, 8}, Shape{257, 72, 131},
                             Shape{128, 320, 129}, Shape{33, 1000, 5}}) {
    for (const WeightFormat format : kWeightFormats) {
      const ProductCase product(shape, format);
      for (const WideOutput output : kOutputs) {
        SCOPED_TRACE(absl::StrCat(WeightFormatName(format), " output ", static_cast<int>(output),
                                  ": ", shape.outputs, " x ", shape.inputs, ", rows ", shape.rows));
        ExpectNear(product.Run(output, 0, shape.rows, std::nullopt, 0.5F),
                   product.Expected(output, 0.5), LimitOf(format, output));
      }
    }
  }
}

TEST_F(WideProductTest, EveryTileGivesTheSameBits) {
  const Shape shape = {300, 256, 200};
  for (const WeightFormat format : kWeightFormats) {
    const ProductCase product(shape, format);
    const auto expected = product.Run(WideOutput::kFloat32, 0, shape.rows, WideTile::kSmall);
    for (const WideTile tile : kTiles) {
      EXPECT_EQ(product.Run(WideOutput::kFloat32, 0, shape.rows, tile), expected)
          << WeightFormatName(format);
    }
  }
}

// Blocks without a tile, with one, and with several; outputs, inputs and rows that are no whole
// tiles, and fewer stages than a block has room for.
TEST_F(WideProductTest, StreamedTilesGiveTheBitsOfOthers) {
  const auto device = CurrentDevice::Find();
  ASSERT_TRUE(device.ok()) << device.status();
  if (!device->has_warpgroups) GTEST_SKIP() << "no warpgroups";
  for (const Shape& shape : {Shape{16, 64, 3}, Shape{300, 512, 1000}, Shape{203, 320, 30011},
                             Shape{1541, 100, 2500}, Shape{512, 2048, 193}}) {
    for (const WeightFormat format : kWeightFormats) {
      if (format == WeightFormat::kFloat32) continue;  // has one tile
      const ProductCase product(shape, format, /*stride_quantum=*/8);
      for (const WideOutput output : kOutputs) {
        EXPECT_TRUE(product.Run(output, 0, shape.rows, WideTile::kStreamed, 0.5F) ==
                    product.Run(output, 0, shape.rows, WideTile::kMedium, 0.5F))
            << WeightFormatName(format) << " output " << static_cast<int>(output) << ": "
            << shape.outputs << " x " << shape.inputs << ", rows " << shape.rows;
      }
    }
  }
}

TEST_F(WideProductTest, ResultsThatCannotBeCopiedBackAreNotStreamedButComputed) {
  const Shape shape = {2042, 512, 12288};
  const ProductCase product(shape, WeightFormat::kBfloat16);
  EXPECT_TRUE(product.Run(WideOutput::kOperand, 0, shape.rows, std::nullopt) ==
              product.Run(WideOutput::kOperand, 0, shape.rows, WideTile::kMedium));
}

TEST_F(WideProductTest, ARowGivesTheSameBitsAloneAndAmongOthers) {
  const Shape shape = {80, 192, 150};
  for (const WeightFormat format : kWeightFormats) {
    const ProductCase product(shape, format);
    const auto all = product.Run(WideOutput::kFloat32, 0, shape.rows, WideTile::kMedium);
    for (const int row : {0, 7, 8, 127, 128, 149}) {
      const auto begin = all.begin() + std::ptrdiff_t{row} * shape.outputs;
      EXPECT_EQ(product.Run(WideOutput::kFloat32, row, 1, std::nullopt),
                std::vector<float>(begin, begin + shape.outputs))
          << WeightFormatName(format) << ", row " << row;
    }
  }
}

TEST_F(WideProductTest, AMatrixWithoutBiasAddsNone) {
  const std::vector<float> ones(size_t{16} * 64, 1.0F);
  Tensor tensor;
  tensor.dtype = DType::kFloat32;
  tensor.shape = {16, 64};
  tensor.data = std::as_bytes(std::span<const float>(ones));
  std::vector<SourceRow> source;
  for (int row = 0; row < 16; ++row) source.push_back({&tensor, row});
  const auto weights = ToDevice(PackRows(source, 64, WeightFormat::kBfloat16).bytes);
  const auto in = ToDevice(EncodeRows(std::vector<float>(64, 0.5F), 64, 64, Operand::kBfloat16));
  const auto out = ToDevice(std::vector<float>(16));
  WideProduct product;
  product.matrix = {weights.data(), nullptr, nullptr, 16, 64};
  product.in = in.data();
  product.in_stride = 64;
  product.out = reinterpret_cast<std::byte*>(out.data());
  product.out_stride = 16;
  product.rows = 1;
  product.output = WideOutput::kFloat32;
  const absl::Status status =
      LaunchWideProduct(product, WeightFormat::kBfloat16, false, kDefaultStream);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(FromDevice(out), ::testing::Each(32.0F));
}

}  // namespace
}  // namespace strided::cuda
