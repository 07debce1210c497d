#include "engine/cuda/grid/grid_choice.h"
#include "engine/cuda/grid/rows_kernel.cuh"
#include "engine/cuda/grid/rows_kernel.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda::grid {
namespace {

template <class S, int kRows>
HeadsLaunch LaunchOf(WeightFormat format) {
  return VisitFormat(format, [&]<WeightFormat kFormat, Operand kOperand>() {
    using Memory = RowsMemory<S, kFormat, kOperand, kRows>;
    static_assert(sizeof(Memory) <= 227 << 10);
    return HeadsLaunch::Of(RowsKernel<S, kFormat, kOperand, kRows>, sizeof(Memory));
  });
}

}  // namespace

HeadsLaunch RowsLaunchOf(const Widths& widths, WeightFormat format, int rows) {
  HeadsLaunch launch;
  VisitSizes([&](auto sizes) {
    using S = decltype(sizes);
    if (S::kWidths != widths) return false;
    const int of_kernel = RowsOfKernel(rows);
    launch = of_kernel == 2   ? LaunchOf<S, 2>(format)
             : of_kernel == 4 ? LaunchOf<S, 4>(format)
                              : LaunchOf<S, kMostRows>(format);
    return true;
  });
  return launch;
}

}  // namespace strided::cuda::grid
