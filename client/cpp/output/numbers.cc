#include "client/cpp/output/numbers.h"

#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace strided::client {

std::string WithCommas(uint64_t number) {
  std::string text = absl::StrCat(number);
  for (size_t place = 3; place < text.size(); place += 4) text.insert(text.size() - place, 1, ',');
  return text;
}

std::string ShortNumber(double number) {
  const double size = std::abs(number);
  if (!std::isfinite(number)) return absl::StrFormat("%g", number);
  if (size >= 99.95) {
    const std::string digits = WithCommas(static_cast<uint64_t>(std::llround(size)));
    return absl::StrCat(number < 0 ? "-" : "", digits);
  }
  if (size >= 9.995) return absl::StrFormat("%.1f", number);
  if (size >= 0.9995) return absl::StrFormat("%.2f", number);
  return absl::StrFormat("%.3g", number);
}

std::string BinaryBytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  auto amount = static_cast<double>(bytes);
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return absl::StrCat(unit == 0 ? absl::StrCat(bytes) : ShortNumber(amount), " ", kUnits[unit]);
}

std::string ClockTime(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return "-";
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(duration, absl::Seconds(1)));
  const int64_t hours = seconds / 3600;
  if (hours == 0) return absl::StrFormat("%d:%02d", seconds / 60, seconds % 60);
  return absl::StrFormat("%d:%02d:%02d", hours, seconds / 60 % 60, seconds % 60);
}

}  // namespace strided::client
