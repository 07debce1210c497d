// Products with the dot-product instructions of AVX-512, which Highway's targets do not reach.

#ifndef STRIDED_ENGINE_CPU_KERNELS_PRODUCT_AVX512_H_
#define STRIDED_ENGINE_CPU_KERNELS_PRODUCT_AVX512_H_

#include "engine/cpu/kernels/kernels.h"

namespace strided {

// Whether this processor has AVX-512 with VNNI (8-bit integers), with BF16. False elsewhere than
// on x86-64.
bool HasAvx512Vnni();
bool HasAvx512Bf16();

// ProductForm::kInt8Quads. Requires HasAvx512Vnni().
void ProductInt8Vnni(const ProductTask& task);

// ProductForm::kBfloat16Dot: pairs of products are added to the sum by vdpbf16ps, which rounds
// twice and takes denormals for zeros. Requires HasAvx512Bf16().
void ProductBfloat16Dot(const ProductTask& task);

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_KERNELS_PRODUCT_AVX512_H_
