// Every kernel of every instruction set against plain double arithmetic.

#include "engine/cpu/kernels/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "engine/cpu/kernels/aligned_array.h"
#include "engine/cpu/kernels/bfloat16.h"

namespace strided {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The elements of so many rows, which is also where the next row begins.
size_t Elements(int rows, int width) {
  return static_cast<size_t>(rows) * static_cast<size_t>(width);
}

// Values in [-1, 1), with room behind them for whole vectors.
AlignedArray<float> RandomValues(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  auto values = AlignedArray<float>::Zeros(count + 32);
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31f;
  }
  return values;
}

// Fails with the worst element where some differ by more than `tolerance`.
void ExpectClose(std::span<const float> actual, std::span<const double> expected, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = -1;
  size_t at = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    if (difference > worst || std::isnan(difference)) {
      worst = difference;
      at = i;
    }
  }
  EXPECT_LE(worst, tolerance) << what << ": worst at " << at << ": " << actual[at] << " instead of "
                              << expected[at];
}

void ExpectSameBits(std::span<const float> a, std::span<const float> b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i]))
        << what << " at " << i << ": " << a[i] << " and " << b[i];
  }
}

// Runs `test` on each instruction set; `reference` is the first of its family.
template <typename Test>
void ForEachSet(const Test& test) {
  for (const Kernels& kernels : AvailableKernels()) {
    const Kernels* reference = &kernels;
    for (const Kernels& other : AvailableKernels()) {
      if (other.family == kernels.family) {
        reference = &other;
        break;
      }
    }
    SCOPED_TRACE(std::string(kernels.name));
    test(kernels, *reference);
  }
}

// Products ----------------------------------------------------------------------------------------

struct Shape {
  int outputs;
  int inputs;
  int rows;
};
constexpr Shape kShapes[] = {{1, 1, 1},   {32, 16, 1},  {33, 17, 2},   {64, 64, 3},
                             {96, 31, 7}, {40, 128, 8}, {100, 257, 9}, {256, 512, 33}};

class Matrix {
 public:
  Matrix(ProductForm form, const Shape& shape)
      : shape_(shape),
        values_(RandomValues(Size(), 1)),
        bias_(RandomValues(static_cast<size_t>(shape.outputs), 2)),
        arena_(PackedMatrix::ArenaBytes(form, shape.outputs, shape.inputs)) {
    weight_.shape = {shape.outputs, shape.inputs};
    weight_.data = std::as_bytes(values_.span().first(Size()));
    bias_tensor_.shape = {shape.outputs};
    bias_tensor_.data = std::as_bytes(bias_.span().first(static_cast<size_t>(shape.outputs)));
    const MatrixPart whole{&weight_, &bias_tensor_, 0, shape.outputs, 0};
    packed_ = PackedMatrix::Pack(form, shape.outputs, {&whole, 1}, arena_);
  }

  const PackedMatrix& packed() const { return packed_; }
  double Weight(int output, int input) const {
    return values_[Elements(output, shape_.inputs) + static_cast<size_t>(input)];
  }
  double Bias(int output) const { return bias_[static_cast<size_t>(output)]; }

 private:
  size_t Size() const { return Elements(shape_.outputs, shape_.inputs); }
  Shape shape_;
  AlignedArray<float> values_;
  AlignedArray<float> bias_;
  Tensor weight_;
  Tensor bias_tensor_;
  WeightArena arena_;
  PackedMatrix packed_;
};

// A product of two panels of eight pieces each, behind which a thread reads `next`.
ProductTask TwoPanels(const Matrix& matrix, int rows, const std::byte* next) {
  ProductTask task;
  task.matrix = &matrix.packed();
  task.last_panel = 2;
  task.rows = rows;
  task.next = next;
  return task;
}
constexpr Shape kTwoPanels = {64, 256, 0};  // a panel is 256 inputs of 128 bytes in float32

TEST(ProductTaskTest, BlocksOfRowsTakeTurnsToFetchThePanelBehind) {
  const Matrix matrix(ProductForm::kFloat32, kTwoPanels);
  const ProductTask task = TwoPanels(matrix, 16, nullptr);
  for (size_t piece = 0; piece < 8; ++piece) {
    const size_t offset = piece * ProductTask::kFetchedAtOnce;
    const std::byte* const here = matrix.packed().weights(0) + offset;
    const std::byte* const behind = matrix.packed().weights(1) + offset;
    EXPECT_EQ(task.FetchedBeside(0, offset, 0), piece % 2 == 0 ? behind : here) << piece;
    EXPECT_EQ(task.FetchedBeside(0, offset, 8), piece % 2 == 1 ? behind : here) << piece;
  }
}

TEST(ProductTaskTest, AFewRowsFetchALittleAheadAndThenWhatIsNext) {
  const Matrix matrix(ProductForm::kFloat32, kTwoPanels);
  const std::byte next{};
  const ProductTask task = TwoPanels(matrix, 1, &next);
  constexpr size_t kPiece = ProductTask::kFetchedAtOnce;
  EXPECT_EQ(task.FetchedBeside(0, 0, 0), matrix.packed().weights(0) + kPiece);
  EXPECT_EQ(task.FetchedBeside(1, 6 * kPiece, 0), matrix.packed().weights(1) + 7 * kPiece);
  EXPECT_EQ(task.FetchedBeside(1, 7 * kPiece, 0), &next);
}

TEST(ProductTaskTest, WhatLiesAsideIsFetchedByTheBlocksWhoseTurnItIsNot) {
  const Matrix matrix(ProductForm::kFloat32, kTwoPanels);
  const AlignedArray<std::byte> cache = AlignedArray<std::byte>::Zeros(ProductTask::kFetchedAtOnce);
  FetchList list(1);
  list.Add({cache.data(), cache.size()});
  ProductTask task = TwoPanels(matrix, 16, nullptr);
  task.aside = &list;
  EXPECT_EQ(task.FetchedBeside(0, 0, 0), matrix.packed().weights(1));
  EXPECT_EQ(task.FetchedBeside(0, 0, 8), cache.data());
}

// [rows][outputs] of one call; `add`: onto rows of ones.
std::vector<float> Multiply(const Kernels& kernels, const PackedMatrix& matrix,
                            const AlignedArray<float>& input, int rows, bool add) {
  const auto form = static_cast<size_t>(matrix.form());
  const size_t stride = static_cast<size_t>(matrix.inputs() + 16) * 4;
  auto encoded = AlignedArray<std::byte>::Zeros(stride * static_cast<size_t>(rows));
  std::vector<float> scales;
  for (int row = 0; row < rows; ++row) {
    scales.push_back(kernels.encode[form](input.data() + Elements(row, matrix.inputs()),
                                          matrix.inputs(),
                                          encoded.data() + static_cast<size_t>(row) * stride));
  }
  const auto width = static_cast<size_t>(PanelPadded(matrix.outputs()));
  std::vector<float> out(width * static_cast<size_t>(rows), 1.0f);
  ProductTask task;
  task.matrix = &matrix;
  task.last_panel = matrix.panels();
  task.input = {encoded.data(), stride, scales.data()};
  task.rows = rows;
  task.out = out.data();
  task.out_stride = width;
  task.add = add;
  kernels.product[form](task);
  std::vector<float> used;
  for (int row = 0; row < rows; ++row) {
    const float* const begin = out.data() + static_cast<size_t>(row) * width;
    used.insert(used.end(), begin, begin + matrix.outputs());
  }
  return used;
}

// The error that a form's rounding of weights and inputs may make in a sum of `inputs` products of
// values in [-1, 1).
double ToleranceOf(ProductForm form, int inputs) {
  const double terms = std::sqrt(static_cast<double>(inputs));
  switch (form) {
    case ProductForm::kFloat32:
      return 2e-6 * terms;
    case ProductForm::kBfloat16Wide:
    case ProductForm::kBfloat16Dot:
      return 1e-2 * terms;
    default:
      return 2e-2 * terms;
  }
}

TEST(ProductTest, AgreesWithDoubleArithmeticInEveryForm) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    for (int form = 0; form < kProductForms; ++form) {
      if (kernels.product[form] == nullptr) continue;
      for (const Shape& shape : kShapes) {
        const Matrix matrix(static_cast<ProductForm>(form), shape);
        const auto input = RandomValues(Elements(shape.rows, shape.inputs), 3);
        std::vector<double> expected;
        for (int row = 0; row < shape.rows; ++row) {
          for (int output = 0; output < shape.outputs; ++output) {
            double sum = matrix.Bias(output) + 1;
            for (int i = 0; i < shape.inputs; ++i) {
              sum += matrix.Weight(output, i) *
                     input[Elements(row, shape.inputs) + static_cast<size_t>(i)];
            }
            expected.push_back(sum);
          }
        }
        ExpectClose(Multiply(kernels, matrix.packed(), input, shape.rows, /*add=*/true), expected,
                    ToleranceOf(static_cast<ProductForm>(form), shape.inputs),
                    absl::StrCat("form ", form, ", ", shape.outputs, " x ", shape.inputs, ", ",
                                 shape.rows, " rows"));
      }
    }
  });
}

TEST(ProductTest, ARowGivesTheSameBitsWhateverRowsStandBesideIt) {
  ForEachSet([](const Kernels& kernels, const Kernels& reference) {
    for (int form = 0; form < kProductForms; ++form) {
      if (kernels.product[form] == nullptr) continue;
      const Shape shape = {70, 83, 21};
      const Matrix matrix(static_cast<ProductForm>(form), shape);
      const auto input = RandomValues(Elements(shape.rows, shape.inputs), 3);
      std::vector<float> alone;
      for (int row = 0; row < shape.rows; ++row) {
        auto one = AlignedArray<float>::Zeros(static_cast<size_t>(shape.inputs) + 32);
        std::copy_n(input.data() + Elements(row, shape.inputs), shape.inputs, one.data());
        const auto out = Multiply(kernels, matrix.packed(), one, 1, /*add=*/false);
        alone.insert(alone.end(), out.begin(), out.end());
      }
      const auto together = Multiply(kernels, matrix.packed(), input, shape.rows, /*add=*/false);
      ExpectSameBits(together, alone, absl::StrCat("form ", form));
      if (reference.product[form] != nullptr) {
        ExpectSameBits(together, Multiply(reference, matrix.packed(), input, shape.rows, false),
                       absl::StrCat("form ", form, " and ", reference.name));
      }
    }
  });
}

TEST(ProductTest, BothInt8FormsGiveTheSameBits) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    const auto quads = static_cast<size_t>(ProductForm::kInt8Quads);
    if (kernels.product[quads] == nullptr) return;
    for (const Shape& shape : kShapes) {
      const auto input = RandomValues(Elements(shape.rows, shape.inputs), 3);
      const Matrix by_four(ProductForm::kInt8Quads, shape);
      const Matrix by_two(ProductForm::kInt8Pairs, shape);
      ExpectSameBits(Multiply(kernels, by_four.packed(), input, shape.rows, true),
                     Multiply(kernels, by_two.packed(), input, shape.rows, true), "int8");
    }
  });
}

TEST(ProductTest, ARowThatIsNotFiniteSpoilsItselfAlone) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    for (int form = 0; form < kProductForms; ++form) {
      if (kernels.product[form] == nullptr) continue;
      for (const float bad : {kNaN, kInfinity, -kInfinity}) {
        const Shape shape = {32, 20, 3};
        const Matrix matrix(static_cast<ProductForm>(form), shape);
        auto input = RandomValues(Elements(shape.rows, shape.inputs), 3);
        input[25] = bad;  // in row 1
        const auto out = Multiply(kernels, matrix.packed(), input, shape.rows, false);
        for (size_t i = 0; i < out.size(); ++i) {
          EXPECT_EQ(std::isfinite(out[i]), i / 32 != 1) << "form " << form << " element " << i;
        }
      }
    }
  });
}

// Attention ---------------------------------------------------------------------------------------

struct Heads {
  int d_key;
  int d_value;
  int keys;
};
constexpr Heads kHeads[] = {{1, 1, 1},    {4, 12, 5},   {64, 128, 96}, {64, 128, 1}, {12, 5, 33},
                            {33, 47, 17}, {96, 80, 16}, {32, 32, 100}, {5, 3, 2},    {16, 160, 31}};

// A cache of twice as many rows as are read; those that are not hold NaN.
struct AttendCase {
  AttendCase(const Heads& its_heads, bool its_float32) : heads(its_heads), float32(its_float32) {
    const auto cache_rows = 2 * static_cast<size_t>(heads.keys);
    query = RandomValues(static_cast<size_t>(heads.d_key), 4);
    keys = RandomValues(cache_rows * static_cast<size_t>(heads.d_key), 5);
    values = RandomValues(cache_rows * static_cast<size_t>(heads.d_value), 6);
    for (int i = 0; i < heads.keys; ++i) rows.push_back(2 * ((i * 7) % heads.keys));
    if (std::gcd(7, heads.keys) != 1) std::iota(rows.begin(), rows.end(), 0);
    std::vector<bool> read(cache_rows);
    for (const int32_t row : rows) read[static_cast<size_t>(row)] = true;
    for (size_t row = 0; row < cache_rows; ++row) {
      if (read[row]) continue;
      std::fill_n(keys.data() + row * static_cast<size_t>(heads.d_key), heads.d_key, kNaN);
      std::fill_n(values.data() + row * static_cast<size_t>(heads.d_value), heads.d_value, kNaN);
    }
    for (const auto* from : {&keys, &values}) {
      auto bytes = AlignedArray<std::byte>::Zeros(from->size() * 4);
      for (size_t i = 0; i < from->size(); ++i) {
        const Bfloat16 rounded = ToBfloat16((*from)[i]);
        std::memcpy(bytes.data() + 2 * i, &rounded, 2);
      }
      (from == &keys ? key_bytes : value_bytes) = std::move(bytes);
    }
  }

  std::vector<float> Run(const Kernels& kernels) const {
    auto scratch = AlignedArray<float>::Zeros(AttendScratch(heads.keys, heads.d_key));
    std::vector<float> out(static_cast<size_t>(heads.d_value), kNaN);
    AttendTask task;
    task.query = query.data();
    task.scale = 1.7f;
    task.keys = float32 ? reinterpret_cast<const std::byte*>(keys.data()) : key_bytes.data();
    task.values = float32 ? reinterpret_cast<const std::byte*>(values.data()) : value_bytes.data();
    task.d_key = heads.d_key;
    task.d_value = heads.d_value;
    task.rows = rows;
    task.scratch = scratch.data();
    task.out = out.data();
    (float32 ? kernels.attend_float32 : kernels.attend_bfloat16)(task);
    return out;
  }

  double Element(const AlignedArray<float>& from, int row, int width, int i) const {
    const float value = from[Elements(row, width) + static_cast<size_t>(i)];
    return float32 ? value : FromBfloat16(ToBfloat16(value));
  }

  std::vector<double> Expected() const {
    std::vector<double> weights;
    double sum = 0;
    for (const int32_t row : rows) {
      double score = 0;
      for (int i = 0; i < heads.d_key; ++i) {
        score += query[static_cast<size_t>(i)] * Element(keys, row, heads.d_key, i);
      }
      weights.push_back(std::exp(1.7 * score));
      sum += weights.back();
    }
    std::vector<double> out(static_cast<size_t>(heads.d_value));
    for (size_t k = 0; k < rows.size(); ++k) {
      for (int i = 0; i < heads.d_value; ++i) {
        out[static_cast<size_t>(i)] +=
            weights[k] / sum * Element(values, rows[k], heads.d_value, i);
      }
    }
    return out;
  }

  Heads heads;
  bool float32;
  AlignedArray<float> query;
  AlignedArray<float> keys;
  AlignedArray<float> values;
  AlignedArray<std::byte> key_bytes;
  AlignedArray<std::byte> value_bytes;
  std::vector<int32_t> rows;
};

TEST(AttendTest, AgreesWithDoubleArithmeticAndReadsNoOtherRow) {
  ForEachSet([](const Kernels& kernels, const Kernels& reference) {
    for (const Heads& heads : kHeads) {
      for (const bool float32 : {true, false}) {
        const AttendCase test(heads, float32);
        const std::vector<float> out = test.Run(kernels);
        const std::string what =
            absl::StrCat("d_key ", heads.d_key, " d_value ", heads.d_value, " keys ", heads.keys,
                         float32 ? " float32" : " bfloat16");
        ExpectClose(out, test.Expected(), 3e-6, what);
        ExpectSameBits(out, test.Run(reference), what);
      }
    }
  });
}

TEST(AttendTest, NothingToReadGivesZeros) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    AttendCase test({8, 24, 1}, true);
    test.rows.clear();
    EXPECT_EQ(test.Run(kernels), std::vector<float>(24, 0.0f));
  });
}

TEST(AttendTest, ScoresFarApartDoNotOverflow) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    AttendCase test({4, 8, 5}, true);
    for (size_t i = 0; i < 4; ++i) test.query[i] *= 1e4f;
    for (const float value : test.Run(kernels)) EXPECT_TRUE(std::isfinite(value));
  });
}

// Rows --------------------------------------------------------------------------------------------

TEST(NormTest, AgreesWithDoubleArithmetic) {
  ForEachSet([](const Kernels& kernels, const Kernels& reference) {
    for (const size_t width : {1u, 5u, 16u, 31u, 64u, 250u, 512u}) {
      const auto in = RandomValues(width, 7);
      const auto weight = RandomValues(width, 8);
      const auto bias = RandomValues(width, 9);
      double mean = 0;
      double square = 0;
      for (size_t i = 0; i < width; ++i) mean += in[i] / static_cast<double>(width);
      for (size_t i = 0; i < width; ++i) {
        square += (in[i] - mean) * (in[i] - mean) / static_cast<double>(width);
      }
      std::vector<double> expected;
      for (size_t i = 0; i < width; ++i) {
        expected.push_back((in[i] - mean) / std::sqrt(square + 1e-5) * weight[i] + bias[i]);
      }
      std::vector<float> out(width);
      std::vector<float> of_reference(width);
      NormTask task;
      task.in = in.data();
      task.weight = weight.data();
      task.bias = bias.data();
      task.width = static_cast<int>(width);
      task.epsilon = 1e-5f;
      task.out = out.data();
      kernels.normalise(task);
      task.out = of_reference.data();
      reference.normalise(task);
      ExpectClose(out, expected, 3e-6, absl::StrCat("width ", width));
      ExpectSameBits(out, of_reference, absl::StrCat("width ", width));
    }
  });
}

double Exact(Activation activation, double x) {
  switch (activation) {
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kGelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::kGeluTanh:
      return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kRelu:
      return std::max(x, 0.0);
  }
  return 0;
}

constexpr Activation kActivations[] = {Activation::kQuickGelu, Activation::kGelu,
                                       Activation::kGeluTanh, Activation::kRelu};

TEST(ActivateTest, AgreesWithDoubleArithmeticOverTheWholeRange) {
  std::vector<float> inputs;
  for (int i = -4000; i <= 4000; ++i) inputs.push_back(static_cast<float>(i) * 0.005f);
  for (const float far : {-1e30f, -100.0f, 100.0f, 1e10f}) inputs.push_back(far);
  ForEachSet([&](const Kernels& kernels, const Kernels& reference) {
    for (const Activation activation : kActivations) {
      std::vector<double> expected;
      for (const float x : inputs) expected.push_back(Exact(activation, x) / std::max(1.0f, x));
      auto out = AlignedArray<float>::Zeros(inputs.size() + 32);
      std::copy(inputs.begin(), inputs.end(), out.data());
      auto of_reference = AlignedArray<float>::Zeros(inputs.size() + 32);
      std::copy(inputs.begin(), inputs.end(), of_reference.data());
      kernels.activate(activation, out.data(), static_cast<int>(inputs.size()));
      reference.activate(activation, of_reference.data(), static_cast<int>(inputs.size()));
      const std::string what = absl::StrCat("activation ", static_cast<int>(activation));
      ExpectSameBits(out.span().first(inputs.size()), of_reference.span().first(inputs.size()),
                     what);
      for (size_t i = 0; i < inputs.size(); ++i) out[i] /= std::max(1.0f, inputs[i]);
      ExpectClose(out.span().first(inputs.size()), expected, 1e-6, what);
    }
  });
}

TEST(ActivateTest, AnElementsValueDoesNotDependOnItsPlace) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    const auto in = RandomValues(64, 10);
    for (const Activation activation : kActivations) {
      std::vector<float> alone(64);
      for (size_t i = 0; i < 64; ++i) {
        auto one = AlignedArray<float>::Zeros(32);
        one[0] = in[i];
        kernels.activate(activation, one.data(), 1);
        alone[i] = one[0];
        EXPECT_EQ(one[1], 0) << "only one element was to be written";
      }
      auto all = AlignedArray<float>::Zeros(96);
      std::copy_n(in.data(), 64, all.data());
      kernels.activate(activation, all.data(), 64);
      ExpectSameBits(all.span().first(64), alone, "activation");
    }
  });
}

TEST(ActivateTest, ANaNStaysOne) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    for (const Activation activation : kActivations) {
      auto values = AlignedArray<float>::Zeros(32);
      values[3] = kNaN;
      kernels.activate(activation, values.data(), 16);
      EXPECT_TRUE(std::isnan(values[3])) << static_cast<int>(activation);
      EXPECT_EQ(values[4], 0) << static_cast<int>(activation);
    }
  });
}

TEST(RoundingTest, VectorsRoundToBfloat16AsScalarsDo) {
  std::vector<float> values = {0.0f, -0.0f, 1.0f, kInfinity, -kInfinity, kNaN, 3.4e38f, 1e-40f};
  std::mt19937 random(11);
  while (values.size() < 1000) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  }
  values.push_back(std::bit_cast<float>(0x3f808000u));  // a tie, to even below
  values.push_back(std::bit_cast<float>(0x3f818000u));  // a tie, to even above
  ForEachSet([&](const Kernels& kernels, const Kernels&) {
    std::vector<uint16_t> out(values.size());
    kernels.to_bfloat16(values.data(), static_cast<int>(values.size()), out.data());
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(out[i], ToBfloat16(values[i])) << i << ": " << values[i];
    }
  });
}

TEST(EncodeTest, Int8KeepsEveryValueWithinHalfAUnit) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    const auto in = RandomValues(50, 12);
    std::vector<int16_t> pairs(64);
    std::vector<uint8_t> quads(64);
    const float scale = kernels.encode[static_cast<size_t>(ProductForm::kInt8Pairs)](
        in.data(), 50, reinterpret_cast<std::byte*>(pairs.data()));
    EXPECT_EQ(scale, kernels.encode[static_cast<size_t>(ProductForm::kInt8Quads)](
                         in.data(), 50, reinterpret_cast<std::byte*>(quads.data())));
    for (size_t i = 0; i < 50; ++i) {
      EXPECT_NEAR(in[i], scale * pairs[i], scale * 0.5001) << i;
      EXPECT_EQ(pairs[i] + 128, quads[i]) << i;
    }
  });
}

TEST(EncodeTest, ARowOfZerosHasTheScaleZero) {
  ForEachSet([](const Kernels& kernels, const Kernels&) {
    const auto in = AlignedArray<float>::Zeros(32);
    std::vector<int16_t> out(32, 1);
    EXPECT_EQ(kernels.encode[static_cast<size_t>(ProductForm::kInt8Pairs)](
                  in.data(), 16, reinterpret_cast<std::byte*>(out.data())),
              0);
    EXPECT_EQ(out[0], 0);
  });
}

}  // namespace
}  // namespace strided
