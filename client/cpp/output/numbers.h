// Numbers as people read them.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_NUMBERS_H_
#define STRIDED_CLIENT_CPP_OUTPUT_NUMBERS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace strided::client {

// 1234567 -> "1,234,567".
std::string WithCommas(uint64_t number);

// Three significant digits or all before the point: 0.0123, 1.23, 12.3, 1,234.
std::string ShortNumber(double number);

// Bytes in binary units: "187 MiB", "2.25 KiB", "12 B".
std::string BinaryBytes(uint64_t bytes);

// "0:07", "12:34", "1:02:03", to the second above; "-" where it is infinite.
std::string ClockTime(absl::Duration duration);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_NUMBERS_H_
