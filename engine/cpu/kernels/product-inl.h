// Products of a few rows with a matrix.
//
// Each panel of 32 outputs is read once for up to kProductRows rows: every weight vector that is
// loaded is multiplied with one broadcast input of each row. Lanes are outputs, so a sum runs over
// the inputs in ascending order whatever the number of rows. Bound by reading the weights at few
// rows, by multiply-adds at many.
//
// Included once per target by kernels.cc (Highway's foreach_target).

#if defined(STRIDED_ENGINE_CPU_KERNELS_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDED_ENGINE_CPU_KERNELS_PRODUCT_INL_H_
#undef STRIDED_ENGINE_CPU_KERNELS_PRODUCT_INL_H_
#else
#define STRIDED_ENGINE_CPU_KERNELS_PRODUCT_INL_H_
#endif

#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace strided {
namespace HWY_NAMESPACE {

inline constexpr size_t kHalves = kPanelWidth / kLanes;  // Sixteens of a panel

// The rows whose sums fit the registers beside a weight vector and the inputs.
inline constexpr size_t kProductRows = kParts == 1 ? 8 : 2;

// Groups between two calls of ProductTask::FetchedBeside.
template <size_t kGroupBytes>
inline constexpr int kGroupsFetched = static_cast<int>(ProductTask::kFetchedAtOnce / kGroupBytes);

// One group of a panel for each form: kDepth weights for each of 32 outputs.
struct Float32Panel {
  static constexpr size_t kDepth = 1;
  static constexpr size_t kGroupBytes = 128;
  static HWY_INLINE void LoadHalf(const std::byte* group, size_t half, Sixteen (&weights)[1]) {
    weights[0] = Load(reinterpret_cast<const float*>(group) + half * kLanes);
  }
};

struct Bfloat16Panel {
  static constexpr size_t kDepth = 2;
  static constexpr size_t kGroupBytes = 128;
  static HWY_INLINE void LoadHalf(const std::byte* group, size_t half, Sixteen (&weights)[2]) {
    const EvenOdd pairs = LoadPairs(group + half * 64);
    weights[0] = pairs.even;
    weights[1] = pairs.odd;
  }
};

HWY_INLINE void FinishHalf(const ProductTask& task, Sixteen sum, int panel, int row, size_t half) {
  float* const out = task.out + static_cast<size_t>(row) * task.out_stride +
                     static_cast<size_t>(panel) * kPanelWidth + half * kLanes;
  sum = sum + Load(task.matrix->bias(panel) + half * kLanes);
  if (task.add) sum = sum + Load(out);
  Store(sum, out);
}

template <class Panel, size_t kRows>
HWY_INLINE void FloatPanel(const ProductTask& task, int panel, int first_row) {
  constexpr size_t kGroupBytes = Panel::kGroupBytes;
  const int groups = task.matrix->groups();
  const std::byte* group = task.matrix->weights(panel);
  const std::byte* fetched = nullptr;
  const float* in[kRows];
  Sixteen sum[kRows][kHalves];
  Unrolled<kRows>([&](auto r) STRIDED_LAMBDA {
    in[r] = reinterpret_cast<const float*>(
        task.input.rows + static_cast<size_t>(first_row + int{r}) * task.input.stride);
    Unrolled<kHalves>([&](auto half) STRIDED_LAMBDA { sum[r][half] = Zero(); });
  });
  size_t input = 0;
  for (int g = 0, stop = 0; g < groups; ++g, group += kGroupBytes, fetched += kGroupBytes) {
    if (g == stop) {
      fetched = task.FetchedBeside(panel, static_cast<size_t>(g) * kGroupBytes, first_row);
      stop += kGroupsFetched<kGroupBytes>;
    }
    for (size_t line = 0; line < kGroupBytes; line += 64) __builtin_prefetch(fetched + line, 0, 2);
    Unrolled<kHalves>([&](auto half) STRIDED_LAMBDA {
      Sixteen weights[Panel::kDepth];
      Panel::LoadHalf(group, half, weights);
      Unrolled<Panel::kDepth>([&](auto d) STRIDED_LAMBDA {
        Unrolled<kRows>([&](auto r) STRIDED_LAMBDA {
          sum[r][half] = MulAdd(weights[d], Fill(in[r][input + d]), sum[r][half]);
        });
      });
    });
    input += Panel::kDepth;
  }
  Unrolled<kRows>([&](auto r) STRIDED_LAMBDA {
    Unrolled<kHalves>([&](auto half) STRIDED_LAMBDA {
      FinishHalf(task, sum[r][half], panel, first_row + int{r}, half);
    });
  });
}

// Pairs of int8 weights for kVectorLanes outputs, and their products with a pair of inputs: lane i
// gets w[2i] x0 + w[2i+1] x1 + sum[i]. The word `pair` holds x0 in its lower half, x1 in its upper.
using Ints = hn::Vec<IntTag>;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
using ShortTag = hn::Repartition<int16_t, IntTag>;
using PairWeights = hn::Vec<ShortTag>;

HWY_INLINE PairWeights LoadPairWeights(const std::byte* from) {
  constexpr hn::Rebind<int8_t, ShortTag> kBytes;
  return hn::PromoteTo(ShortTag(), hn::LoadU(kBytes, reinterpret_cast<const int8_t*>(from)));
}
HWY_INLINE Ints AddPairProducts(PairWeights weights, int32_t pair, Ints sum) {
  const auto inputs = hn::Set(kInts, pair);
#if HWY_TARGET == HWY_AVX2
  return hn::Add(sum, Ints{_mm256_madd_epi16(weights.raw, inputs.raw)});
#else
  return hn::Add(sum, Ints{_mm512_madd_epi16(weights.raw, inputs.raw)});
#endif
}
#else
struct PairWeights {
  Ints even;
  Ints odd;
};

HWY_INLINE PairWeights LoadPairWeights(const std::byte* from) {
  constexpr hn::Rebind<uint16_t, IntTag> kShorts;
  const auto both =
      hn::PromoteTo(kInts, hn::LoadU(kShorts, reinterpret_cast<const uint16_t*>(from)));
  return {hn::ShiftRight<24>(hn::ShiftLeft<24>(both)), hn::ShiftRight<24>(hn::ShiftLeft<16>(both))};
}
HWY_INLINE Ints AddPairProducts(PairWeights weights, int32_t pair, Ints sum) {
  const auto even = hn::Mul(weights.even, hn::Set(kInts, static_cast<int16_t>(pair)));
  const auto odd = hn::Mul(weights.odd, hn::Set(kInts, pair >> 16));
  return hn::Add(sum, hn::Add(even, odd));
}
#endif

template <size_t kRows>
HWY_INLINE void Int8PairsPanel(const ProductTask& task, int panel, int first_row) {
  constexpr size_t kGroupBytes = 64;
  constexpr size_t kVectors = kPanelWidth / kVectorLanes;
  const int groups = task.matrix->groups();
  const std::byte* group = task.matrix->weights(panel);
  const std::byte* fetched = nullptr;
  const int32_t* in[kRows];  // pairs of int16
  Ints sum[kRows][kVectors];
  Unrolled<kRows>([&](auto r) STRIDED_LAMBDA {
    in[r] = reinterpret_cast<const int32_t*>(
        task.input.rows + static_cast<size_t>(first_row + int{r}) * task.input.stride);
    Unrolled<kVectors>([&](auto v) STRIDED_LAMBDA { sum[r][v] = hn::Zero(kInts); });
  });
  for (int g = 0, stop = 0; g < groups; ++g, group += kGroupBytes, fetched += kGroupBytes) {
    if (g == stop) {
      fetched = task.FetchedBeside(panel, static_cast<size_t>(g) * kGroupBytes, first_row);
      stop += kGroupsFetched<kGroupBytes>;
    }
    __builtin_prefetch(fetched, 0, 2);
    Unrolled<kVectors>([&](auto v) STRIDED_LAMBDA {
      const PairWeights weights = LoadPairWeights(group + v * 2 * kVectorLanes);
      Unrolled<kRows>([&](auto r)
                          HWY_ATTR { sum[r][v] = AddPairProducts(weights, in[r][g], sum[r][v]); });
    });
  }
  Unrolled<kRows>([&](auto r) STRIDED_LAMBDA {
    const int row = first_row + int{r};
    Unrolled<kVectors>([&](auto v) STRIDED_LAMBDA {
      const size_t output = v * kVectorLanes;  // of the panel
      const auto scale = hn::Mul(hn::Set(kFloats, task.input.scales[row]),
                                 hn::LoadU(kFloats, task.matrix->scales(panel) + output));
      auto value = hn::MulAdd(hn::ConvertTo(kFloats, sum[r][v]), scale,
                              hn::LoadU(kFloats, task.matrix->bias(panel) + output));
      float* const out = task.out + static_cast<size_t>(row) * task.out_stride +
                         static_cast<size_t>(panel) * kPanelWidth + output;
      if (task.add) value = hn::Add(value, hn::LoadU(kFloats, out));
      hn::StoreU(value, kFloats, out);
    });
  });
}

// The forms by number of rows.
struct ProductFloat32Rows {
  template <size_t kRows>
  static HWY_INLINE void Run(const ProductTask& task, int panel, int row) {
    FloatPanel<Float32Panel, kRows>(task, panel, row);
  }
};
struct ProductBfloat16Rows {
  template <size_t kRows>
  static HWY_INLINE void Run(const ProductTask& task, int panel, int row) {
    FloatPanel<Bfloat16Panel, kRows>(task, panel, row);
  }
};
struct ProductInt8Rows {
  template <size_t kRows>
  static HWY_INLINE void Run(const ProductTask& task, int panel, int row) {
    Int8PairsPanel<kRows>(task, panel, row);
  }
};

// Rows in blocks of kProductRows, then halves of it.
template <class Rows, size_t kRows>
HWY_INLINE void PanelRows(const ProductTask& task, int panel, int row) {
  for (; row + int{kRows} <= task.rows; row += int{kRows})
    Rows::template Run<kRows>(task, panel, row);
  if constexpr (kRows > 1) PanelRows<Rows, kRows / 2>(task, panel, row);
}

template <class Rows>
void Product(const ProductTask& task) {
  for (int panel = task.first_panel; panel < task.last_panel; ++panel) {
    PanelRows<Rows, kProductRows>(task, panel, 0);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace strided
HWY_AFTER_NAMESPACE();

#endif  // STRIDED_ENGINE_CPU_KERNELS_PRODUCT_INL_H_
