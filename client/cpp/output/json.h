// Small conversions that every JSON output of `stride` shares.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_JSON_H_
#define STRIDED_CLIENT_CPP_OUTPUT_JSON_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/string_view.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

using Json = nlohmann::ordered_json;  // fields in the order in which they are set

// One line, newline included. Bytes that are not UTF-8 become U+FFFD.
std::string JsonLine(const Json& object);

// The name of an enumeration's value without the enumeration's own: FINISH_REASON_STOP is "STOP";
// a value of a newer server is its number.
template <typename Enum>
std::string ShortName(Enum value, absl::string_view prefix) {
  const auto* known = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  if (known == nullptr) return std::to_string(static_cast<int>(value));
  return known->name().substr(prefix.size());
}

// "text", "image", "audio".
std::string ModalityName(v1::Modality modality);

// The fields of `params` that are set; lists where they are not empty.
Json SamplingJson(const v1::SamplingParams& params);

// To the nanosecond, as far as a double tells them apart.
double SecondsOf(const google::protobuf::Duration& duration);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_JSON_H_
