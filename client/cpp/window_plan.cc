#include "client/cpp/window_plan.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

absl::Status CheckOptions(const v1::Model& model, const WindowOptions& options) {
  constexpr uint64_t kMostLength = std::numeric_limits<uint32_t>::max();
  const uint64_t context = model.context_length();
  if (options.length == 0 || options.length > kMostLength) {
    return absl::InvalidArgumentError(
        absl::StrCat("the length is ", options.length, "; it must lie in [1, ", kMostLength, "]"));
  }
  if (context < 2) {
    return absl::InvalidArgumentError(absl::StrCat("the model '", model.name(),
                                                   "' has a context of ", context,
                                                   "; windows that overlap need at least 2"));
  }
  if (options.hop.has_value() && (*options.hop == 0 || *options.hop >= context)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the hop is ", *options.hop, "; it must lie in [1, ", context - 1,
                     "], less than the context of the model '", model.name(), "'"));
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const v1::Model& model, const v1::GenerateRequest& request,
                          uint64_t length) {
  if (model.modality() == v1::MODALITY_IMAGE) {
    return absl::InvalidArgumentError(
        absl::StrCat("an image ends with its last pixel: the model '", model.name(),
                     "' cannot go on beyond it, as text and audio can"));
  }
  if (request.has_resume() || request.sampling().has_max_new_tokens()) {
    return absl::InvalidArgumentError(
        "a length beyond the context goes with no resume and no max_new_tokens");
  }
  const bool one_window = TokensIn(request.prompt()) + length <= model.context_length();
  const auto& stops = request.sampling().stop_sequences();
  const auto long_stop =
      std::find_if(stops.begin(), stops.end(), [](const auto& stop) { return stop.size() > 1; });
  if (!one_window && long_stop != stops.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a stop sequence has ", long_stop->size(), " bytes; beyond the context of ",
                     model.context_length(), " tokens only single tokens can stop a sample"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WindowPlan> PlanWindows(const v1::Model& model, const v1::GenerateRequest& request,
                                       const WindowOptions& options) {
  if (absl::Status status = CheckRequest(model, request, options.length); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckOptions(model, options); !status.ok()) return status;
  const uint64_t context = model.context_length();
  return WindowPlan{
      .context = context, .hop = options.hop.value_or(context / 2), .length = options.length};
}

// SplitMix64 (Steele, Lea, Flood 2014) at the state of that window.
uint64_t WindowSeed(uint64_t seed, uint64_t window) {
  if (window == 0) return seed;
  uint64_t z = seed + window * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t TokensIn(const v1::Sequence& sequence) {
  if (sequence.has_ids()) return static_cast<uint64_t>(sequence.ids().ids_size());
  return sequence.raw().size();
}

}  // namespace strided::client
