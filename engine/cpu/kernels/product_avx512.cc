#include "engine/cpu/kernels/product_avx512.h"

#if defined(__x86_64__)

#include <immintrin.h>

// Instruction sets are set per function, not for the file: inline functions of the headers must not
// be compiled for more than every processor has, for the linker may keep that copy.
#define STRIDED_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define STRIDED_AVX512_INLINE STRIDED_AVX512 __attribute__((always_inline)) inline
#define STRIDED_AVX512_BF16 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")))
#define STRIDED_AVX512_BF16_INLINE STRIDED_AVX512_BF16 __attribute__((always_inline)) inline

namespace strided {
namespace {

constexpr int kHalves = 2;        // vectors of outputs in a panel
constexpr int kGroupBytes = 128;  // 32 outputs, 4 bytes of weights each
// Groups between two calls of ProductTask::FetchedBeside.
constexpr int kGroupsFetched = ProductTask::kFetchedAtOnce / kGroupBytes;
constexpr int kMostRows = 8;  // 16 sums, 2 vectors of weights, inputs from memory

// Sixteen int32. GCC 12 copies an array of __m512i, which holds 64-bit integers, at each use as
// these: half the speed.
using Int32Sums = __v16si;

struct Outputs {
  float* out = nullptr;  // 16 of the row's
  const float* bias = nullptr;
  bool add = false;
};

// The first of the 16 outputs of half a panel, from the panel's first on.
size_t FirstOf(int half) { return static_cast<size_t>(half) * 16; }

Outputs OutputsOf(const ProductTask& task, int panel, int row, int half) {
  const size_t output = static_cast<size_t>(panel) * kPanelWidth + FirstOf(half);
  return {task.out + static_cast<size_t>(row) * task.out_stride + output,
          task.matrix->bias(panel) + FirstOf(half), task.add};
}

const int32_t* InputOf(const ProductTask& task, int row) {
  return reinterpret_cast<const int32_t*>(task.input.rows +
                                          static_cast<size_t>(row) * task.input.stride);
}

// sum[row][half] over 16 outputs each; every 4 bytes of weights meet 4 bytes of the row's input.
template <int kRows>
STRIDED_AVX512_INLINE void Int8Panel(const ProductTask& task, int panel, int row) {
  const int groups = task.matrix->groups();
  const std::byte* weights = task.matrix->weights(panel);
  const std::byte* fetched = nullptr;
  const int32_t* const offsets = task.matrix->offsets(panel);
  const int32_t* input[kRows];
  Int32Sums sum[kRows][kHalves];
  for (int r = 0; r < kRows; ++r) {
    input[r] = InputOf(task, row + r);
    for (int h = 0; h < kHalves; ++h) {
      sum[r][h] = Int32Sums(_mm512_loadu_si512(offsets + FirstOf(h)));
    }
  }
  for (int g = 0; g < groups; ++g, weights += kGroupBytes, fetched += kGroupBytes) {
    if (g % kGroupsFetched == 0) {
      fetched = task.FetchedBeside(panel, static_cast<size_t>(g) * kGroupBytes, row);
    }
    _mm_prefetch(fetched, _MM_HINT_T1);
    _mm_prefetch(fetched + 64, _MM_HINT_T1);
    const __m512i weight[kHalves] = {_mm512_loadu_si512(weights), _mm512_loadu_si512(weights + 64)};
    for (int r = 0; r < kRows; ++r) {
      const __m512i x = _mm512_set1_epi32(input[r][g]);
      for (int h = 0; h < kHalves; ++h) {
        sum[r][h] = Int32Sums(_mm512_dpbusd_epi32(__m512i(sum[r][h]), x, weight[h]));
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const __m512 row_scale = _mm512_set1_ps(task.input.scales[row + r]);
    for (int h = 0; h < kHalves; ++h) {
      const Outputs to = OutputsOf(task, panel, row + r, h);
      const __m512 scale =
          _mm512_mul_ps(row_scale, _mm512_loadu_ps(task.matrix->scales(panel) + FirstOf(h)));
      // The masked form, for GCC 12 takes the plain one for a use of something uninitialised.
      const __m512 exact = _mm512_maskz_cvtepi32_ps(0xffff, __m512i(sum[r][h]));
      __m512 value = _mm512_fmadd_ps(exact, scale, _mm512_loadu_ps(to.bias));
      if (to.add) value = _mm512_add_ps(value, _mm512_loadu_ps(to.out));
      _mm512_storeu_ps(to.out, value);
    }
  }
}

template <int kRows>
STRIDED_AVX512_BF16_INLINE void Bfloat16Panel(const ProductTask& task, int panel, int row) {
  const int groups = task.matrix->groups();
  const std::byte* weights = task.matrix->weights(panel);
  const std::byte* fetched = nullptr;
  const int32_t* input[kRows];
  __m512 sum[kRows][kHalves];
  for (int r = 0; r < kRows; ++r) {
    input[r] = InputOf(task, row + r);
    for (int h = 0; h < kHalves; ++h) sum[r][h] = _mm512_setzero_ps();
  }
  for (int g = 0; g < groups; ++g, weights += kGroupBytes, fetched += kGroupBytes) {
    if (g % kGroupsFetched == 0) {
      fetched = task.FetchedBeside(panel, static_cast<size_t>(g) * kGroupBytes, row);
    }
    _mm_prefetch(fetched, _MM_HINT_T1);
    _mm_prefetch(fetched + 64, _MM_HINT_T1);
    const __m512i weight[kHalves] = {_mm512_loadu_si512(weights), _mm512_loadu_si512(weights + 64)};
    for (int r = 0; r < kRows; ++r) {
      const auto x = __m512bh(_mm512_set1_epi32(input[r][g]));
      for (int h = 0; h < kHalves; ++h) {
        sum[r][h] = _mm512_dpbf16_ps(sum[r][h], x, __m512bh(weight[h]));
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < kHalves; ++h) {
      const Outputs to = OutputsOf(task, panel, row + r, h);
      __m512 value = _mm512_add_ps(sum[r][h], _mm512_loadu_ps(to.bias));
      if (to.add) value = _mm512_add_ps(value, _mm512_loadu_ps(to.out));
      _mm512_storeu_ps(to.out, value);
    }
  }
}

// Rows in blocks of kRows, then of its halves.
template <int kRows>
STRIDED_AVX512_INLINE void Int8Rows(const ProductTask& task, int panel, int row) {
  for (; row + kRows <= task.rows; row += kRows) Int8Panel<kRows>(task, panel, row);
  if constexpr (kRows > 1) Int8Rows<kRows / 2>(task, panel, row);
}

template <int kRows>
STRIDED_AVX512_BF16_INLINE void Bfloat16Rows(const ProductTask& task, int panel, int row) {
  for (; row + kRows <= task.rows; row += kRows) Bfloat16Panel<kRows>(task, panel, row);
  if constexpr (kRows > 1) Bfloat16Rows<kRows / 2>(task, panel, row);
}

}  // namespace

bool HasAvx512Vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

bool HasAvx512Bf16() { return HasAvx512Vnni() && __builtin_cpu_supports("avx512bf16"); }

STRIDED_AVX512 void ProductInt8Vnni(const ProductTask& task) {
  for (int panel = task.first_panel; panel < task.last_panel; ++panel) {
    Int8Rows<kMostRows>(task, panel, 0);
  }
}

STRIDED_AVX512_BF16 void ProductBfloat16Dot(const ProductTask& task) {
  for (int panel = task.first_panel; panel < task.last_panel; ++panel) {
    Bfloat16Rows<kMostRows>(task, panel, 0);
  }
}

}  // namespace strided

#else  // not x86-64

namespace strided {

bool HasAvx512Vnni() { return false; }
bool HasAvx512Bf16() { return false; }
void ProductInt8Vnni(const ProductTask&) {}
void ProductBfloat16Dot(const ProductTask&) {}

}  // namespace strided

#endif
