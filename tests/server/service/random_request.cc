#include "tests/server/service/random_request.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace strided {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

template <typename T>
T Pick(const std::vector<T>& choices, std::mt19937& random) {
  return choices[random() % choices.size()];
}

template <typename T>
T PickNumber(std::mt19937& random) {
  return Pick<T>({T{0}, T{1}, T{2}, T{7}, T{63}, T{64}, T{65}, T{255}, T{256},
                  std::numeric_limits<T>::max(), std::numeric_limits<T>::lowest()},
                 random);
}

float PickFloat(std::mt19937& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return Pick<float>({0, -0.0F, 0.5F, 1, 2, -2, 10, 100, 1e-45F, 1e38F, -1e38F, kInfinity,
                      -kInfinity, std::numeric_limits<float>::quiet_NaN()},
                     random);
}

std::string PickString(const FieldDescriptor& field, std::mt19937& random) {
  const std::string text =
      Pick<std::string>({"", "a", "mood", "fake", "fingerprint of fake", std::string(64, 'x'),
                         std::string(300, 'y'), "tab\tand newline\n"},
                        random);
  const bool any_byte = field.type() == FieldDescriptor::TYPE_BYTES;
  return any_byte ? text + std::string("\0\xff\x80", 3) : text;
}

// Adds to a repeated field, or sets the one value. Requires that `field` holds no message.
void SetValue(Message& message, const FieldDescriptor* field, std::mt19937& random) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field->is_repeated();
  const auto put = [&](auto set, auto add, auto value) {
    if (repeated) {
      (reflection.*add)(&message, field, value);
    } else {
      (reflection.*set)(&message, field, value);
    }
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return put(&Reflection::SetUInt32, &Reflection::AddUInt32, PickNumber<uint32_t>(random));
    case FieldDescriptor::CPPTYPE_UINT64:
      return put(&Reflection::SetUInt64, &Reflection::AddUInt64, PickNumber<uint64_t>(random));
    case FieldDescriptor::CPPTYPE_INT32:
      return put(&Reflection::SetInt32, &Reflection::AddInt32, PickNumber<int32_t>(random));
    case FieldDescriptor::CPPTYPE_INT64:
      return put(&Reflection::SetInt64, &Reflection::AddInt64, PickNumber<int64_t>(random));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return put(&Reflection::SetFloat, &Reflection::AddFloat, PickFloat(random));
    case FieldDescriptor::CPPTYPE_BOOL:
      return put(&Reflection::SetBool, &Reflection::AddBool, random() % 2 == 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return put(&Reflection::SetEnumValue, &Reflection::AddEnumValue, PickNumber<int>(random));
    default:
      return put(&Reflection::SetString, &Reflection::AddString, PickString(*field, random));
  }
}

}  // namespace

void MutateField(Message& message, std::mt19937& random) {
  const Reflection& reflection = *message.GetReflection();
  const int fields = message.GetDescriptor()->field_count();
  const FieldDescriptor* field =
      message.GetDescriptor()->field(static_cast<int>(random() % static_cast<unsigned>(fields)));
  if (random() % 8 == 0) {
    reflection.ClearField(&message, field);
  } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    SetValue(message, field, random);
  } else if (field->is_repeated()) {  // a map's entry
    Message& entry = *reflection.AddMessage(&message, field);
    MutateField(entry, random);
    MutateField(entry, random);
  } else {
    MutateField(*reflection.MutableMessage(&message, field), random);
  }
}

}  // namespace strided
