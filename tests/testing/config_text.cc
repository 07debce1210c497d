#include "tests/testing/config_text.h"

#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/status/statusor.h"

namespace strided {
namespace {

using Json = nlohmann::json;

constexpr const char* kSmallConfig = R"({
  "architecture": "sparse_transformer",
  "modality": "text",
  "vocab_size": 16,
  "context_length": 24,
  "n_layer": 2,
  "n_head": 2,
  "d_model": 8,
  "d_ff": 16,
  "d_key": 4,
  "d_value": 4,
  "activation": "quick_gelu",
  "norm_epsilon": 1e-5,
  "final_norm_epsilon": 1e-5,
  "attention_scale": "inverse_sqrt",
  "position_axes": [4, 6],
  "position_rule": "previous",
  "attention": [
    {"pattern": "local", "window": 6},
    {"pattern": "fixed", "stride": 6, "cells": 2, "spread": 2}
  ],
  "conditions": [],
  "tied_head": false,
  "head_bias": true
})";

Json SmallDocument(absl::string_view overrides) {
  Json document = Json::parse(kSmallConfig);
  document.update(Json::parse(overrides.begin(), overrides.end()));
  return document;
}

Json PatternEntry(const AttentionPattern& pattern) {
  const AttentionPattern::Spec& spec = pattern.spec();
  Json entry = {{"pattern", std::string(PatternName(spec.kind))}};
  if (spec.window != 0) entry["window"] = spec.window;
  if (spec.stride != 0) entry["stride"] = spec.stride;
  if (spec.cells != 0) entry["cells"] = spec.cells;
  if (spec.spread != 0) entry["spread"] = spec.spread;
  return entry;
}

Json AttentionEntries(const ModelConfig& config) {
  Json layers = Json::array();
  for (const std::vector<AttentionPattern>& heads : config.attention) {
    Json entry = {{"heads", Json::array()}};
    for (const AttentionPattern& pattern : heads) entry["heads"].push_back(PatternEntry(pattern));
    layers.push_back(entry);
  }
  return layers;
}

const char* ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kQuickGelu:
      return "quick_gelu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_tanh";
    case Activation::kRelu:
      return "relu";
  }
  return "";
}

// The fields that only some models have.
void AddOptionalFields(const ModelConfig& config, Json& document) {
  if (config.final_norm_epsilon) document["final_norm_epsilon"] = *config.final_norm_epsilon;
  if (config.image) {
    document["image"] = {{"height", config.image->height},
                         {"width", config.image->width},
                         {"channels", config.image->channels}};
  }
  if (config.audio) {
    const bool mulaw = config.audio->encoding == AudioEncoding::kMulaw;
    document["audio"] = {{"sample_rate_hz", config.audio->sample_rate_hz},
                         {"encoding", mulaw ? "mulaw" : "linear8"}};
  }
  if (config.norm == Norm::kScale) document["norm"] = "scale";
  if (config.wide_hidden) document["wide_hidden"] = true;
  if (config.end_token) document["end_token"] = *config.end_token;
  if (!config.has_start_vector) {
    document["start_token"] = config.start_token ? Json(*config.start_token) : Json();
  }
  for (const Condition& condition : config.conditions) {
    document["conditions"].push_back({{"name", condition.name}, {"values", condition.values}});
  }
}

}  // namespace

std::string SmallConfigText(absl::string_view overrides) {
  return SmallDocument(overrides).dump(1);
}

std::string SmallConfigTextWithout(absl::string_view name) {
  Json document = SmallDocument("{}");
  document.erase(std::string(name));
  return document.dump(1);
}

ModelConfig SmallConfig(absl::string_view overrides) {
  absl::StatusOr<ModelConfig> config =
      ModelConfig::FromJson(SmallConfigText(overrides), "small config");
  if (!config.ok()) {
    std::cerr << config.status() << "\n";
    std::abort();
  }
  return *std::move(config);
}

std::string ConfigText(const ModelConfig& config) {
  Json document = {
      {"architecture", "sparse_transformer"},
      {"modality", std::string(ModalityName(config.modality))},
      {"vocab_size", config.vocab_size},
      {"context_length", config.context_length},
      {"n_layer", config.n_layer},
      {"n_head", config.n_head},
      {"d_model", config.d_model},
      {"d_ff", config.d_ff},
      {"d_key", config.d_key},
      {"d_value", config.d_value},
      {"activation", ActivationName(config.activation)},
      {"norm_epsilon", config.norm_epsilon},
      {"final_norm_epsilon", nullptr},
      {"attention_scale",
       config.attention_scale == AttentionScale::kNone ? "none" : "inverse_sqrt"},
      {"position_axes", config.position_axes},
      {"position_rule", config.position_rule == PositionRule::kCurrent ? "current" : "previous"},
      {"attention", AttentionEntries(config)},
      {"conditions", Json::array()},
      {"tied_head", config.tied_head},
      {"head_bias", config.head_bias}};
  AddOptionalFields(config, document);
  return document.dump(1);
}

}  // namespace strided
