// The products of decode steps against sums in double.

#include "engine/cuda/kernels/decode_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/engine/cuda/packed_matrix.h"

namespace strided::cuda {
namespace {

constexpr int kMostRows = 200;
constexpr int kMultiprocessors = 132;

// Where a product's input comes from.
enum class Source {
  kOperand,  // what a kernel has left in the operand's type
  kHidden,   // the residual stream, without a norm
  kNormed,   // its layer norm
};
constexpr Source kSources[] = {Source::kOperand, Source::kHidden, Source::kNormed};

size_t Count(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

double Activated(Activation activation, double x) {
  switch (activation) {
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kRelu:
      return std::max(x, 0.0);
  }
  return x;
}

struct Shape {
  int outputs = 0;
  int inputs = 0;
};

// A product of up to kMostRows rows of random numbers.
class ProductCase {
 public:
  ProductCase(const Shape& shape, WeightFormat format, Source source)
      : shape_(shape),
        format_(format),
        operand_(OperandOf(format)),
        source_(source),
        matrix_(shape.outputs, shape.inputs, format, 1),
        input_(RandomFloats(Count(kMostRows, shape.inputs), 3)),
        residual_(RandomFloats(Count(kMostRows, shape.outputs), 4)),
        norm_weight_(RandomFloats(Count(shape.inputs, 1), 5)),
        norm_bias_(RandomFloats(Count(shape.inputs, 1), 6)) {
    device_operand_ = ToDevice(EncodeRows(input_, shape.inputs, shape.inputs, operand_));
    device_input_ = ToDevice(input_);
    device_norm_weight_ = ToDevice(norm_weight_);
    device_norm_bias_ = ToDevice(norm_bias_);
    for (int row = 0; row < kMostRows; ++row) {
      const std::vector<double> product = matrix_.Product(InputOf(row));
      sums_.insert(sums_.end(), product.begin(), product.end());
    }
  }

  // Rows first, first + 1, ...: [rows][outputs].
  std::vector<float> Run(ProductOutput output, int first, int rows,
                         int multiprocessors = kMultiprocessors,
                         Activation activation = Activation::kQuickGelu) const {
    const bool adds = output == ProductOutput::kResidual;
    const Operand stored = output == ProductOutput::kActivated ? operand_ : Operand::kFloat32;
    std::vector<float> before(Count(rows + 1, shape_.outputs), kUntouched);
    if (adds) {
      const auto from = residual_.begin() + static_cast<std::ptrdiff_t>(first) * shape_.outputs;
      std::copy_n(from, Count(rows, shape_.outputs), before.begin());
    }
    const auto out = ToDevice(EncodeRows(before, shape_.outputs, shape_.outputs, stored));
    DecodeProduct product;
    product.format = format_;
    product.matrix = matrix_.view();
    product.rows = rows;
    product.normed = source_ != Source::kOperand;
    if (source_ == Source::kNormed) product.norm = norm();
    const auto normed = ToDevice(
        std::vector<std::byte>(Count(rows, shape_.inputs) * sizeof(float), std::byte{0xFF}));
    product.normed_rows = normed.data();
    product.in = device_operand_.data() + Count(first, shape_.inputs * OperandBytes(operand_));
    product.hidden = adds ? reinterpret_cast<float*>(out.data())
                          : device_input_.data() + Count(first, shape_.inputs);
    product.output = output;
    product.out = out.data();
    product.activation = activation;
    const absl::Status status = LaunchDecodeProduct(product, multiprocessors, kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    std::vector<float> after = DecodeRows(FromDevice(out), shape_.outputs, shape_.outputs, stored);
    for (size_t i = Count(rows, shape_.outputs); i < after.size(); ++i) {
      EXPECT_EQ(after[i], kUntouched) << "behind the last row";
    }
    after.resize(Count(rows, shape_.outputs));
    return after;
  }

  // The first rows' results.
  std::vector<double> Expected(ProductOutput output, int rows,
                               Activation activation = Activation::kQuickGelu) const {
    std::vector<double> expected(sums_.begin(),
                                 sums_.begin() + std::ptrdiff_t{rows} * shape_.outputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (output == ProductOutput::kActivated) expected[i] = Activated(activation, expected[i]);
      if (output == ProductOutput::kResidual) expected[i] += double{residual_[i]};
    }
    return expected;
  }

 private:
  static constexpr float kUntouched = -32;  // exact in every type

  DeviceNorm norm() const { return {device_norm_weight_.data(), device_norm_bias_.data(), 1e-3F}; }

  // What enters the product, rounded as the operand rounds.
  std::vector<float> InputOf(int row) const {
    const auto begin = input_.begin() + static_cast<std::ptrdiff_t>(row) * shape_.inputs;
    std::vector<float> x(begin, begin + shape_.inputs);
    if (source_ == Source::kNormed) {
      double mean = 0;
      for (const float value : x) mean += double{value} / shape_.inputs;
      double variance = 0;
      for (const float value : x) variance += std::pow(value - mean, 2) / shape_.inputs;
      const double deviation = std::sqrt(variance + double{norm().epsilon});
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>((x[i] - mean) / deviation * double{norm_weight_[i]} +
                                  double{norm_bias_[i]});
      }
    }
    return Rounded(std::move(x), operand_);
  }

  Shape shape_;
  WeightFormat format_;
  Operand operand_;
  Source source_;
  PackedMatrix matrix_;
  std::vector<float> input_;
  std::vector<float> residual_;
  std::vector<float> norm_weight_;
  std::vector<float> norm_bias_;
  std::vector<double> sums_;  // [kMostRows][outputs]
  DeviceBuffer<std::byte> device_operand_;
  DeviceBuffer<float> device_input_;
  DeviceBuffer<float> device_norm_weight_;
  DeviceBuffer<float> device_norm_bias_;
};

// Of results around 1: roundings of sums, of stored results, and of inputs at the middle between
// two numbers of their type, which a norm in double may round to the other side.
double LimitOf(Operand operand, ProductOutput output, Source source) {
  if (operand == Operand::kFloat32) return 1e-5;
  const double step = operand == Operand::kFloat16 ? 1.0 / 1024 : 1.0 / 128;
  double limit = 1e-4;
  if (output == ProductOutput::kActivated) limit += step / 2;
  if (source == Source::kNormed) limit += step / 2;
  return limit;
}

// Those that a step has: what is added to the residual stream has not been normed.
std::vector<ProductOutput> OutputsOf(Source source) {
  if (source == Source::kOperand) return {ProductOutput::kResidual, ProductOutput::kLogits};
  return {ProductOutput::kActivated, ProductOutput::kLogits};
}

void ExpectSumsOfADouble(const Shape& shape) {
  for (const WeightFormat format : kWeightFormats) {
    for (const Source source : kSources) {
      const ProductCase product(shape, format, source);
      for (const ProductOutput output : OutputsOf(source)) {
        for (const int rows : {1, 3, 8, 9, 17, 64, kMostRows}) {
          SCOPED_TRACE(absl::StrCat(WeightFormatName(format), ", source ", static_cast<int>(source),
                                    ", output ", static_cast<int>(output), ": ", shape.outputs,
                                    " x ", shape.inputs, ", rows ", rows));
          ExpectNear(product.Run(output, 0, rows), product.Expected(output, rows),
                     LimitOf(OperandOf(format), output, source));
        }
      }
    }
  }
}

using DecodeProductTest = CudaTest;

TEST_F(DecodeProductTest, ResultsAreTheSumsOfADouble) {
  for (const Shape& shape :
       {Shape{16, 64}, Shape{256, 256}, Shape{72, 512}, Shape{48, 1024}, Shape{2400, 128}}) {
    ExpectSumsOfADouble(shape);
  }
}

TEST_F(DecodeProductTest, SizesNeedNotDivideAnything) {
  for (const Shape& shape : {Shape{1, 1}, Shape{17, 65}, Shape{130, 5}, Shape{61, 72},
                             Shape{257, 322}, Shape{40, 1000}, Shape{21, 1027}, Shape{9, 1028}}) {
    ExpectSumsOfADouble(shape);
  }
}

TEST_F(DecodeProductTest, InputsThatDoNotFitABlockAtOnceAreSummedToTheEnd) {
  for (const Shape& shape : {Shape{20, 2048}, Shape{20, 2049}, Shape{12, 5000}}) {
    ExpectSumsOfADouble(shape);
  }
}

TEST_F(DecodeProductTest, EveryActivationIsTheOneOfTheConfiguration) {
  for (const WeightFormat format : kWeightFormats) {
    const ProductCase product({40, 96}, format, Source::kHidden);
    for (const Activation activation :
         {Activation::kQuickGelu, Activation::kGelu, Activation::kGeluTanh, Activation::kRelu}) {
      SCOPED_TRACE(
          absl::StrCat(WeightFormatName(format), ", activation ", static_cast<int>(activation)));
      ExpectNear(product.Run(ProductOutput::kActivated, 0, 9, kMultiprocessors, activation),
                 product.Expected(ProductOutput::kActivated, 9, activation),
                 LimitOf(OperandOf(format), ProductOutput::kActivated, Source::kHidden));
    }
  }
}

// By warpgroups, which choose the activation once for many results.
TEST_F(DecodeProductTest, EveryActivationOfManyRowsIsTheOneOfTheConfiguration) {
  const ProductCase product({64, 512}, WeightFormat::kBfloat16, Source::kHidden);
  for (const Activation activation :
       {Activation::kQuickGelu, Activation::kGelu, Activation::kGeluTanh, Activation::kRelu}) {
    SCOPED_TRACE(absl::StrCat("activation ", static_cast<int>(activation)));
    ExpectNear(product.Run(ProductOutput::kActivated, 0, kMostRows, kMultiprocessors, activation),
               product.Expected(ProductOutput::kActivated, kMostRows, activation),
               LimitOf(Operand::kBfloat16, ProductOutput::kActivated, Source::kHidden));
  }
}

TEST_F(DecodeProductTest, ARowGivesTheSameBitsAloneAndAmongOthers) {
  const Shape shape = {300, 328};
  for (const WeightFormat format : kWeightFormats) {
    for (const Source source : kSources) {
      const ProductCase product(shape, format, source);
      const std::vector<float> all = product.Run(ProductOutput::kLogits, 0, kMostRows);
      for (const int row : {0, 7, 8, 31, 32, 63, kMostRows - 1}) {
        const auto begin = all.begin() + std::ptrdiff_t{row} * shape.outputs;
        EXPECT_EQ(product.Run(ProductOutput::kLogits, row, 1),
                  std::vector<float>(begin, begin + shape.outputs))
            << WeightFormatName(format) << ", source " << static_cast<int>(source) << ", row "
            << row;
      }
    }
  }
}

// Many rows are computed in tiles of their own kernel where sizes are whole.
TEST_F(DecodeProductTest, ManyRowsGiveTheBitsOfOne) {
  for (const Shape& shape :
       {Shape{160, 320}, Shape{512, 512}, Shape{72, 2048}, Shape{264, 1152}, Shape{1024, 64}}) {
    for (const WeightFormat format : kWeightFormats) {
      for (const Source source : kSources) {
        const ProductCase product(shape, format, source);
        for (const ProductOutput output : OutputsOf(source)) {
          SCOPED_TRACE(absl::StrCat(WeightFormatName(format), ", source ", static_cast<int>(source),
                                    ", output ", static_cast<int>(output), ": ", shape.outputs,
                                    " x ", shape.inputs));
          const std::vector<float> all = product.Run(output, 0, kMostRows);
          ExpectNear(all, product.Expected(output, kMostRows),
                     LimitOf(OperandOf(format), output, source));
          for (const int row : {0, 31, 64, kMostRows - 1}) {
            const auto begin = all.begin() + std::ptrdiff_t{row} * shape.outputs;
            EXPECT_EQ(product.Run(output, row, 1), std::vector<float>(begin, begin + shape.outputs))
                << "row " << row;
          }
        }
      }
    }
  }
}

// What is added to the residual stream is shared by clusters of blocks from 16 rows on.
TEST_F(DecodeProductTest, ClustersGiveTheBitsOfOne) {
  for (const Shape& shape : {Shape{128, 1024}, Shape{512, 1024}}) {
    for (const WeightFormat format : kWeightFormats) {
      const ProductCase product(shape, format, Source::kOperand);
      for (const int rows : {16, 17, 64, 70, 150}) {
        SCOPED_TRACE(absl::StrCat(WeightFormatName(format), ": ", shape.outputs, " x ",
                                  shape.inputs, ", rows ", rows));
        const std::vector<float> all = product.Run(ProductOutput::kResidual, 0, rows);
        ExpectNear(all, product.Expected(ProductOutput::kResidual, rows),
                   LimitOf(OperandOf(format), ProductOutput::kResidual, Source::kOperand));
        for (const int row : {0, 5, 15, rows - 1}) {
          const auto begin = all.begin() + std::ptrdiff_t{row} * shape.outputs;
          EXPECT_EQ(product.Run(ProductOutput::kResidual, row, 1),
                    std::vector<float>(begin, begin + shape.outputs))
              << "row " << row;
        }
      }
    }
  }
}

// Sizes that have kernels of their own (decode_product_known.h, decode_product_warpgroup.h), and
// ends of their rows.
TEST_F(DecodeProductTest, KnownSizesGiveTheBitsOfOne) {
  for (const WeightFormat format : kWeightFormats) {
    for (const Shape& shape : {Shape{192, 512}, Shape{64, 2048}}) {
      for (const Source source : {Source::kNormed, Source::kOperand}) {
        const ProductCase product(shape, format, source);
        const ProductOutput output = OutputsOf(source).front();
        for (const int rows : {9, 16, 17, 64, 100, 128, 129, 191, kMostRows}) {
          SCOPED_TRACE(absl::StrCat(WeightFormatName(format), ", source ", static_cast<int>(source),
                                    ": ", shape.outputs, " x ", shape.inputs, ", rows ", rows));
          const std::vector<float> all = product.Run(output, 0, rows);
          ExpectNear(all, product.Expected(output, rows),
                     LimitOf(OperandOf(format), output, source));
          for (const int row : {0, 7, 8, rows - 1}) {
            const auto begin = all.begin() + std::ptrdiff_t{row} * shape.outputs;
            EXPECT_EQ(product.Run(output, row, 1), std::vector<float>(begin, begin + shape.outputs))
                << "row " << row;
          }
        }
      }
    }
  }
}

TEST_F(DecodeProductTest, TilesOfKnownSizesGiveTheSameBits) {
  constexpr int kRows = 64;
  for (const WeightFormat format : kWeightFormats) {
    const ProductCase product({192, 512}, format, Source::kNormed);
    const std::vector<float> expected = product.Run(ProductOutput::kActivated, 0, kRows, 1000);
    for (const int multiprocessors : {1, 30}) {
      EXPECT_EQ(product.Run(ProductOutput::kActivated, 0, kRows, multiprocessors), expected)
          << WeightFormatName(format) << ", tiles for " << multiprocessors << " multiprocessors";
    }
  }
}

TEST_F(DecodeProductTest, EveryTileGivesTheSameBits) {
  for (const Shape& shape : {Shape{520, 128}, Shape{260, 1100}}) {
    for (const WeightFormat format : kWeightFormats) {
      const ProductCase product(shape, format, Source::kNormed);
      const std::vector<float> expected = product.Run(ProductOutput::kLogits, 0, kMostRows, 100000);
      for (const int multiprocessors : {1, 8, 20, 50, 132}) {
        EXPECT_EQ(product.Run(ProductOutput::kLogits, 0, kMostRows, multiprocessors), expected)
            << WeightFormatName(format) << ", tiles for " << multiprocessors << " multiprocessors";
      }
    }
  }
}

}  // namespace
}  // namespace strided::cuda
