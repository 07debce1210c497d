#include "engine/cuda/cluster/cluster_choice.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/cuda/cluster/shared_memory.h"

namespace strided::cuda::cluster {
namespace {

constexpr int kMeasuredFaster = 256;  // the widest of the networks that were: README.md
constexpr Shape kSlower = {256, 4, 64, 64, 4, /*int8_caches=*/true};  // but this one, at 256 rows
constexpr int kLeastComputeMajor = 9;  // clusters, and stores that complete on a barrier

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

int TurnsOf(int rows, int at_once, int most_groups) {
  return CeilDivide(rows, at_once * most_groups * kColumns);
}

absl::Status TooMuch(absl::string_view what, int value, int most) {
  return absl::UnimplementedError(
      absl::StrCat("the cluster kernel takes ", what, " to ", most, ", not ", value));
}

}  // namespace

absl::StatusOr<Shape> ChooseShape(const ModelConfig& config, WeightFormat format,
                                  CacheFormat caches, int compute_major) {
  if (compute_major < kLeastComputeMajor) {
    return absl::UnimplementedError(absl::StrCat("a device of compute capability ", compute_major,
                                                 ".x has no clusters; they come with 9.0"));
  }
  if (format != WeightFormat::kBfloat16 && format != WeightFormat::kInt8) {
    return absl::UnimplementedError(
        absl::StrCat("the cluster kernel has no weights of ", WeightFormatName(format)));
  }
  if (config.norm != Norm::kLayer) {
    return absl::UnimplementedError("the cluster kernel has norms with a mean alone");
  }
  if (!config.has_start_vector) {
    return absl::UnimplementedError("the cluster kernel takes models with a start vector alone");
  }
  if (config.vocab_size > kMaxVocab) return TooMuch("vocabularies", config.vocab_size, kMaxVocab);
  const int axes = static_cast<int>(config.position_axes.size());
  if (axes > kMaxAxes) return TooMuch("position axes", axes, kMaxAxes);
  const bool int8_caches = caches == CacheFormat::kInt8;
  const Shape shape = {config.d_model,
                       config.n_head,
                       config.d_key,
                       config.d_value,
                       CeilDivide(config.d_ff, kBlocks * kTile),
                       int8_caches};
  if (VisitSizes([&](auto sizes) { return ShapeOf(sizes) == shape; })) return shape;
  return absl::UnimplementedError(
      absl::StrCat("there is no cluster kernel for d_model ", config.d_model, ", ", config.n_head,
                   " heads of d_key ", config.d_key, " and d_value ", config.d_value, ", d_ff ",
                   config.d_ff, int8_caches ? ", int8 caches" : ""));
}

bool IsFasterThanGraphs(const Shape& shape) {
  return shape.width <= kMeasuredFaster && shape != kSlower;
}

int MostGroups(const Shape& shape) {
  int most = 0;
  VisitSizes([&](auto sizes) {
    if (ShapeOf(sizes) != shape) return false;
    VisitGroups<decltype(sizes)>([&](auto groups) {
      most = groups;
      return false;
    });
    return true;
  });
  return most;
}

int64_t ExchangeBytes(const Shape& shape) {
  int64_t bytes = 0;
  VisitSizes([&](auto sizes) {
    if (ShapeOf(sizes) != shape) return false;
    bytes = GroupMemory<decltype(sizes)>::kOperandsEnd;
    return true;
  });
  return bytes;
}

Deal DealRows(int rows, int at_once, int most_groups) {
  const int turns = TurnsOf(rows, at_once, most_groups);
  const int clusters = at_once * turns;
  Deal deal;
  deal.groups = CeilDivide(CeilDivide(rows, clusters), kColumns);
  deal.group_rows = CeilDivide(rows, clusters * deal.groups);
  deal.clusters = std::min(clusters, CeilDivide(rows, deal.group_rows));
  return deal;
}

int MostGroupsDealt(int rows, int at_once, int most_groups) {
  return at_once * TurnsOf(rows, at_once, most_groups) * most_groups;
}

}  // namespace strided::cuda::cluster
