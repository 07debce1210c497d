#include "client/cpp/output/json_renderer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cpp/output/json.h"
#include "client/cpp/output/text_renderer.h"

namespace strided::client {
namespace {

Json StartedJson(const v1::Started& started) {
  Json object = {{"event", "started"},
                 {"request_id", started.request_id()},
                 {"model", started.model()},
                 {"model_version", started.model_version()},
                 {"model_fingerprint", started.model_fingerprint()},
                 {"modality", ModalityName(started.modality())},
                 {"seed", absl::StrCat(started.resolved().seed())},
                 {"prompt_tokens", started.prompt_tokens()},
                 {"cached_prompt_tokens", started.cached_prompt_tokens()},
                 {"resolved", SamplingJson(started.resolved())}};
  if (started.has_image()) {
    object["image"] = {{"height", started.image().height()},
                       {"width", started.image().width()},
                       {"channels", started.image().channels()}};
  }
  if (started.has_audio()) {
    object["audio"] = {{"sample_rate_hz", started.audio().sample_rate_hz()},
                       {"encoding", ShortName(started.audio().encoding(), "AUDIO_ENCODING_")}};
  }
  return object;
}

Json ProgressJson(const v1::Progress& progress) {
  return {{"event", "progress"},
          {"state", ShortName(progress.state(), "STATE_")},
          {"queue_position", progress.queue_position()},
          {"prefilled_tokens", progress.prefilled_tokens()}};
}

Json SummaryJson(const v1::Summary& summary) {
  return {{"event", "summary"},
          {"prompt_tokens", summary.prompt_tokens()},
          {"generated_tokens", summary.generated_tokens()},
          {"queue_time", SecondsOf(summary.queue_time())},
          {"prefill_time", SecondsOf(summary.prefill_time())},
          {"time_to_first_token", SecondsOf(summary.time_to_first_token())},
          {"decode_time", SecondsOf(summary.decode_time())},
          {"preemptions", summary.preemptions()}};
}

Json TokensJson(const v1::Delta& delta, bool is_pcm16) {
  Json tokens = Json::array();
  for (const uint32_t id : delta.ids().ids()) tokens.push_back(id);
  const std::string& raw = delta.raw();
  for (size_t i = 0; i < raw.size(); i += is_pcm16 ? 2 : 1) {
    const int low = static_cast<uint8_t>(raw[i]);
    const int high = is_pcm16 && i + 1 < raw.size() ? static_cast<uint8_t>(raw[i + 1]) << 8 : 0;
    tokens.push_back(is_pcm16 ? static_cast<int16_t>(low | high) : low);
  }
  return tokens;
}

// One list per token of {"id", "log_prob"}.
Json TopJson(const v1::LogProbs& log_probs) {
  Json top = Json::array();
  const int width = static_cast<int>(log_probs.top_count());
  const int entries = std::min(log_probs.top_ids_size(), log_probs.top_values_size());
  for (int first = 0; first + width <= entries; first += width) {
    Json alternatives = Json::array();
    for (int i = first; i < first + width; ++i) {
      alternatives.push_back({{"id", log_probs.top_ids(i)}, {"log_prob", log_probs.top_values(i)}});
    }
    top.push_back(std::move(alternatives));
  }
  return top;
}

}  // namespace

absl::StatusOr<std::unique_ptr<JsonRenderer>> JsonRenderer::Create(const v1::Started& started,
                                                                   ByteSink* out) {
  if (absl::Status status = out->Write(JsonLine(StartedJson(started))); !status.ok()) return status;
  return std::make_unique<JsonRenderer>(started, out);
}

JsonRenderer::JsonRenderer(const v1::Started& started, ByteSink* out)
    : out_(out),
      is_text_(started.modality() == v1::MODALITY_TEXT),
      is_pcm16_(started.audio().encoding() == v1::AUDIO_ENCODING_PCM16),
      joiners_(std::max(1U, started.resolved().samples())) {}

absl::Status JsonRenderer::Render(const v1::GenerateResponse& event) {
  switch (event.event_case()) {
    case v1::GenerateResponse::kDelta:
      return RenderDelta(event.delta());
    case v1::GenerateResponse::kProgress:
      return out_->Write(JsonLine(ProgressJson(event.progress())));
    case v1::GenerateResponse::kFinished:
      return RenderFinished(event.finished());
    case v1::GenerateResponse::kSummary:
      return out_->Write(JsonLine(SummaryJson(event.summary())));
    default:
      return absl::OkStatus();
  }
}

absl::Status JsonRenderer::RenderDelta(const v1::Delta& delta) {
  Json object = {{"event", "delta"},
                 {"sample_index", delta.sample_index()},
                 {"first_position", delta.first_position()},
                 {"tokens", TokensJson(delta, is_pcm16_)}};
  if (is_text_ && delta.sample_index() < joiners_.size()) {
    object["text"] = joiners_[delta.sample_index()].Add(TextOf(delta));
  }
  if (delta.has_log_probs()) {
    object["log_probs"] = delta.log_probs().chosen();
    if (delta.log_probs().top_count() > 0) object["top"] = TopJson(delta.log_probs());
  }
  return out_->Write(JsonLine(object));
}

absl::Status JsonRenderer::RenderFinished(const v1::Finished& finished) {
  Json object = {{"event", "finished"},
                 {"sample_index", finished.sample_index()},
                 {"reason", ShortName(finished.reason(), "FINISH_REASON_")},
                 {"generated_tokens", finished.generated_tokens()},
                 {"sum_log_prob", finished.sum_log_prob()}};
  if (!finished.matched_stop_sequence().empty()) {
    object["matched_stop_sequence"] = finished.matched_stop_sequence();
  }
  if (is_text_ && finished.sample_index() < joiners_.size()) {
    Utf8Joiner& joiner = joiners_[finished.sample_index()];
    const std::string rest = absl::StrCat(joiner.Add(finished.text_before_stop()), joiner.Finish());
    if (!rest.empty()) object["text"] = rest;
  }
  return out_->Write(JsonLine(object));
}

}  // namespace strided::client
