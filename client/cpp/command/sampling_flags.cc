#include "client/cpp/command/sampling_flags.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"

namespace strided::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kGroup[] = "Sampling";

struct ScalarFlag {
  const char* field;
  const char* help;
};

constexpr ScalarFlag kScalars[] = {
    {"max_new_tokens",
     "Make at most so many tokens; unset: a whole image, or to the context's end"},
    {"min_new_tokens", "No stop before so many tokens"},
    {"temperature", "Divide the logits by this; 0: always the most likely token"},
    {"top_k", "Only the K most likely tokens; 0: all"},
    {"top_p", "Only the most likely tokens that together have this probability"},
    {"min_p", "Only tokens at least this probable relative to the most likely one"},
    {"typical_p", "Only the most typical tokens that together have this probability"},
    {"repetition_penalty", "Divide the logits of tokens that have occurred"},
    {"presence_penalty", "Subtract from the logits of tokens that have occurred"},
    {"frequency_penalty", "Subtract for each time that a token has occurred"},
    {"seed", "Repeat a generation; unset: the server draws one, and says which"},
    {"samples", "Make so many sequences from one prompt"},
};

std::string FlagOf(const std::string& field) {
  return absl::StrCat("--", absl::StrReplaceAll(field, {{"_", "-"}}));
}

const FieldDescriptor* FieldOf(const std::string& name) {
  return v1::SamplingParams::descriptor()->FindFieldByName(name);
}

// Sets the scalar `field` of `message` from `text`, by the field's own type.
absl::Status SetScalar(const std::string& text, const FieldDescriptor* field, Message* message) {
  const std::string flag = FlagOf(field->name());
  const google::protobuf::Reflection* reflection = message->GetReflection();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
    const absl::StatusOr<float> value = ParseFloat(flag, text);
    if (value.ok()) reflection->SetFloat(message, field, *value);
    return value.status();
  }
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
    const absl::StatusOr<uint64_t> value = ParseUint64(flag, text);
    if (value.ok()) reflection->SetUInt64(message, field, *value);
    return value.status();
  }
  const absl::StatusOr<uint32_t> value = ParseUint32(flag, text);
  if (value.ok()) reflection->SetUInt32(message, field, *value);
  return value.status();
}

CLI::Option* AddRepeatable(CLI::App* subcommand, const char* flag, const char* help,
                           std::vector<std::string>& values) {
  return subcommand->add_option(flag, values, help)->allow_extra_args(false)->group(kGroup);
}

}  // namespace

void SamplingFlags::AddTo(CLI::App* subcommand) {
  for (const ScalarFlag& scalar : kScalars) {
    const bool is_float = FieldOf(scalar.field)->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
    subcommand->add_option(FlagOf(scalar.field), scalars_[scalar.field], scalar.help)
        ->type_name(is_float ? "X" : "N")
        ->group(kGroup);
  }
  AddRepeatable(subcommand, "--stop", "End before this text; C escapes; repeatable",
                stop_sequences_)
      ->type_name("TEXT");
  AddRepeatable(subcommand, "--stop-id", "End at this token; repeatable", stop_ids_)
      ->type_name("ID");
  subcommand->add_flag("--include-stop", include_stop_, "Show what ended the sample, too")
      ->group(kGroup);
  AddRepeatable(subcommand, "--logit-bias", "Add to the logit of a token; repeatable",
                logit_biases_)
      ->type_name("ID=X");
  subcommand->add_option("--allowed-ids", allowed_ids_, "Only these tokens, e.g. 65-90,97-122,10")
      ->type_name("IDS")
      ->group(kGroup);
}

absl::StatusOr<v1::SamplingParams> SamplingFlags::Parse() const {
  v1::SamplingParams params;
  if (absl::Status status = ParseScalars(&params); !status.ok()) return status;
  if (absl::Status status = ParseLists(&params); !status.ok()) return status;
  if (include_stop_) params.set_include_stop(true);
  return params;
}

absl::Status SamplingFlags::ParseScalars(v1::SamplingParams* params) const {
  for (const auto& [field, text] : scalars_) {
    if (!text.has_value()) continue;
    absl::Status status = SetScalar(*text, FieldOf(field), params);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SamplingFlags::ParseLists(v1::SamplingParams* params) const {
  for (const std::string& text : stop_sequences_) {
    absl::StatusOr<std::string> stop = ParseEscapes("--stop", text);
    if (!stop.ok()) return stop.status();
    params->add_stop_sequences(*std::move(stop));
  }
  for (const std::string& text : stop_ids_) {
    const absl::StatusOr<uint32_t> id = ParseUint32("--stop-id", text);
    if (!id.ok()) return id.status();
    params->add_stop_ids(*id);
  }
  for (const std::string& text : logit_biases_) {
    const auto pair = ParsePair("--logit-bias", text);
    if (!pair.ok()) return pair.status();
    const absl::StatusOr<uint32_t> id = ParseUint32("--logit-bias", pair->first);
    if (!id.ok()) return id.status();
    const absl::StatusOr<float> bias = ParseFloat("--logit-bias", pair->second);
    if (!bias.ok()) return bias.status();
    if (!params->mutable_logit_bias()->insert({*id, *bias}).second) {
      return UsageError(absl::StrCat("--logit-bias: ", *id, " is there twice"));
    }
  }
  if (!allowed_ids_.empty()) {
    const absl::StatusOr<std::vector<uint32_t>> ids = ParseIds("--allowed-ids", allowed_ids_);
    if (!ids.ok()) return ids.status();
    params->mutable_allowed_ids()->mutable_ids()->Add(ids->begin(), ids->end());
  }
  return absl::OkStatus();
}

}  // namespace strided::client
