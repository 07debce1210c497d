#include "client/cpp/output/json.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/ascii.h"

namespace strided::client {

std::string JsonLine(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ModalityName(v1::Modality modality) {
  return absl::AsciiStrToLower(ShortName(modality, "MODALITY_"));
}

Json SamplingJson(const v1::SamplingParams& params) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(params, &text, options);
  Json object = Json::parse(status.ok() ? text : "{}", nullptr, /*allow_exceptions=*/false);
  return object.is_discarded() ? Json::object() : object;
}

double SecondsOf(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + static_cast<double>(duration.nanos()) * 1e-9;
}

}  // namespace strided::client
