// What a conditional model is told, as people write it.

#ifndef STRIDED_CLIENT_CPP_COMMAND_CONDITION_CHOICE_H_
#define STRIDED_CLIENT_CPP_COMMAND_CONDITION_CHOICE_H_

#include <google/protobuf/map.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "strided/v1/models.pb.h"

namespace strided::client {

// "class=7" or "class=horse".
struct ConditionChoice {
  std::string name;
  std::string value;  // a whole number, or a label of the model's
};

// The --condition flags. A UsageError where one is not of the form name=value.
absl::StatusOr<std::vector<ConditionChoice>> ParseConditions(const std::vector<std::string>& flags);

// Whether a value is no number, so that only the model can say what it means.
bool HasLabels(const std::vector<ConditionChoice>& choices);

// The conditions of a request. `model` may be null where there are no labels. A UsageError, with
// what there is to choose from, where the model does not know a label, or the condition that it is
// for; whether a number is in range, the server says.
absl::StatusOr<google::protobuf::Map<std::string, uint32_t>> ConditionValues(
    const std::vector<ConditionChoice>& choices, const v1::Model* model);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_CONDITION_CHOICE_H_
