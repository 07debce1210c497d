#include "engine/cpu/kernels/kernels.h"

#include <algorithm>

#include "engine/cpu/kernels/product_avx512.h"

// Compiled for AVX2, AVX-512 and the baseline of the processor family (scalar code, NEON), whatever
// else a version of Highway knows. What lies between would not be chosen where it matters; vectors
// of unknown size cannot be struct members.
#if defined(__x86_64__)
#define HWY_DISABLED_TARGETS (~(HWY_SCALAR | HWY_EMU128 | HWY_AVX2 | HWY_AVX3))
#else
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
// To Highway: nothing to choose from when the program runs. It would add AES to NEON by an
// attribute of functions, and the constructors of our structs of vectors would lack it and not
// compile.
#define TOOLCHAIN_MISS_SYS_AUXV_H
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels/kernels.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "engine/cpu/kernels/attend-inl.h"
#include "engine/cpu/kernels/product-inl.h"
#include "engine/cpu/kernels/rows-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace strided {
namespace HWY_NAMESPACE {

Kernels MakeKernels() {
  Kernels kernels;
  const auto set = [&kernels](ProductForm form, Kernels::Product product, Kernels::Encode encode) {
    kernels.product[static_cast<size_t>(form)] = product;
    kernels.encode[static_cast<size_t>(form)] = encode;
  };
  set(ProductForm::kFloat32, Product<ProductFloat32Rows>, EncodeFloat32);
  set(ProductForm::kBfloat16Wide, Product<ProductBfloat16Rows>, EncodeFloat32);
  set(ProductForm::kInt8Pairs, Product<ProductInt8Rows>, EncodeInt8Pairs);
  set(ProductForm::kBfloat16Dot, nullptr, EncodeBfloat16);
  set(ProductForm::kInt8Quads, nullptr, EncodeInt8Quads);
  kernels.attend_float32 = Attend<Float32CacheRow>;
  kernels.attend_bfloat16 = Attend<Bfloat16CacheRow>;
  kernels.normalise = Normalise;
  kernels.activate = Activate;
  kernels.to_bfloat16 = ToBfloat16Row;
  kernels.family = HWY_NATIVE_FMA ? "fused" : "unfused";
  return kernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace strided
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace strided {
namespace {

Kernels Named(Kernels kernels, absl::string_view name) {
  kernels.name = name;
  return kernels;
}

std::vector<Kernels> MakeAvailableKernels() {
  std::vector<Kernels> available;
#if defined(__aarch64__)
  available.push_back(Named(HWY_STATIC_DISPATCH(MakeKernels)(), "neon"));
#else
  available.push_back(Named(HWY_STATIC_DISPATCH(MakeKernels)(), "scalar"));
#endif
  [[maybe_unused]] const int64_t supported = hwy::SupportedTargets();
#if HWY_TARGETS & HWY_AVX2
  if (supported & HWY_AVX2) available.push_back(Named(N_AVX2::MakeKernels(), "avx2"));
#endif
#if HWY_TARGETS & HWY_AVX3
  if (supported & HWY_AVX3) {
    Kernels kernels = Named(N_AVX3::MakeKernels(), "avx512");
    available.push_back(kernels);
    if (HasAvx512Vnni()) {
      kernels.name = "avx512_vnni";
      kernels.int8_form = ProductForm::kInt8Quads;
      kernels.product[static_cast<size_t>(ProductForm::kInt8Quads)] = ProductInt8Vnni;
      available.push_back(kernels);
    }
    if (HasAvx512Bf16()) {
      kernels.name = "avx512_vnni_bf16";
      kernels.bfloat16_form = ProductForm::kBfloat16Dot;
      kernels.product[static_cast<size_t>(ProductForm::kBfloat16Dot)] = ProductBfloat16Dot;
      available.push_back(kernels);
    }
  }
#endif
  return available;
}

}  // namespace

size_t AttendScratch(int keys, int d_key) {
  // The query and a block of values, in whole blocks; scores in whole sixteens and fours.
  return (static_cast<size_t>(d_key) + 32) + 32 + (static_cast<size_t>(keys) + 4 + 16);
}

const std::vector<Kernels>& AvailableKernels() {
  static const std::vector<Kernels> kAvailable = MakeAvailableKernels();
  return kAvailable;
}

}  // namespace strided
#endif  // HWY_ONCE
