#include "client/cpp/command/condition_choice.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"

namespace strided::client {
namespace {

constexpr char kFlag[] = "--condition";
constexpr int kMostShown = 100;  // labels in an error

bool IsLabel(const ConditionChoice& choice) {
  return !std::all_of(choice.value.begin(), choice.value.end(),
                      [](unsigned char c) { return absl::ascii_isdigit(c); });
}

std::string NamesOf(const v1::Model& model) {
  if (model.conditions().empty()) return "none";
  return absl::StrJoin(model.conditions(), ", ",
                       [](std::string* out, const auto& each) { *out += each.name(); });
}

std::string LabelsOf(const v1::Condition& condition) {
  const auto& labels = condition.labels();
  const int shown = std::min(kMostShown, labels.size());
  std::string list = absl::StrJoin(labels.begin(), labels.begin() + shown, ", ");
  if (shown == labels.size()) return list;
  return absl::StrCat(list, ", and ", labels.size() - shown, " more (stride models --json)");
}

absl::StatusOr<uint32_t> ValueOfLabel(const ConditionChoice& choice, const v1::Model& model) {
  const auto condition =
      std::find_if(model.conditions().begin(), model.conditions().end(),
                   [&choice](const auto& each) { return each.name() == choice.name; });
  if (condition == model.conditions().end()) {
    return UsageError(absl::StrCat(kFlag, ": '", choice.name, "' is no condition of the model '",
                                   model.name(), "', which has ", NamesOf(model)));
  }
  const auto& labels = condition->labels();
  if (labels.empty()) {
    return UsageError(absl::StrCat(kFlag, ": '", choice.value, "' is not a whole number, and ",
                                   choice.name, " of the model '", model.name(),
                                   "' has no labels"));
  }
  const auto found = std::find(labels.begin(), labels.end(), choice.value);
  if (found == labels.end()) {
    return UsageError(absl::StrCat(kFlag, ": '", choice.value, "' is no ", choice.name,
                                   " of the model '", model.name(), "', which has ",
                                   LabelsOf(*condition)));
  }
  return static_cast<uint32_t>(found - labels.begin());
}

}  // namespace

absl::StatusOr<std::vector<ConditionChoice>> ParseConditions(
    const std::vector<std::string>& flags) {
  std::vector<ConditionChoice> choices;
  for (const std::string& text : flags) {
    auto pair = ParsePair(kFlag, text);
    if (!pair.ok()) return pair.status();
    choices.push_back({std::move(pair->first), std::move(pair->second)});
  }
  return choices;
}

bool HasLabels(const std::vector<ConditionChoice>& choices) {
  return std::any_of(choices.begin(), choices.end(), IsLabel);
}

absl::StatusOr<google::protobuf::Map<std::string, uint32_t>> ConditionValues(
    const std::vector<ConditionChoice>& choices, const v1::Model* model) {
  google::protobuf::Map<std::string, uint32_t> conditions;
  for (const ConditionChoice& choice : choices) {
    const absl::StatusOr<uint32_t> value =
        IsLabel(choice) ? ValueOfLabel(choice, *model) : ParseUint32(kFlag, choice.value);
    if (!value.ok()) return value.status();
    if (!conditions.insert({choice.name, *value}).second) {
      return UsageError(absl::StrCat(kFlag, ": '", choice.name, "' is there twice"));
    }
  }
  return conditions;
}

}  // namespace strided::client
