#include "tests/client/cpp/fake_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/client/cpp/messages.h"

namespace strided::client {
namespace {

// Numbers the messages of a stream, and stops taking them where it is to break.
class BreakingWriter {
 public:
  BreakingWriter(grpc::ServerWriterInterface<v1::GenerateResponse>* writer,
                 const std::optional<Break>& where)
      : writer_(writer), left_(where.has_value() ? where->after_messages : -1) {}

  bool Write(v1::GenerateResponse message) {
    if (left_ == 0) return false;
    --left_;
    message.set_message_index(next_index_++);
    return writer_->Write(message);
  }

 private:
  grpc::ServerWriterInterface<v1::GenerateResponse>* const writer_;
  int left_;  // negative: without end
  uint64_t next_index_ = 0;
};

struct Growing {
  uint32_t sample = 0;
  uint64_t generated = 0;
};

std::vector<Growing> SamplesOf(const v1::GenerateRequest& request) {
  if (request.has_resume()) {
    return {{request.resume().sample_index(), request.resume().generated().raw().size()}};
  }
  std::vector<Growing> samples;
  for (uint32_t i = 0; i < std::max(1U, request.sampling().samples()); ++i) samples.push_back({i});
  return samples;
}

uint64_t PromptTokens(const v1::GenerateRequest& request) {
  const v1::Sequence& prompt = request.prompt();
  return prompt.has_ids() ? static_cast<uint64_t>(prompt.ids().ids_size()) : prompt.raw().size();
}

bool IsRightResume(const v1::GenerateRequest& request) {
  const v1::Resume& resume = request.resume();
  const std::string& generated = resume.generated().raw();
  return request.sampling().has_seed() && resume.model_fingerprint() == "f1" &&
         generated == FakeTokens(request.sampling().seed(), resume.sample_index(),
                                 PromptTokens(request), generated.size());
}

}  // namespace

std::string FakeTokens(uint64_t seed, uint32_t sample, uint64_t prompt_tokens, uint64_t count) {
  std::string tokens;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t mixed = (seed * 31 + sample) * 1'000'003 + (prompt_tokens + i) * 7919;
    tokens.push_back(static_cast<char>('a' + mixed % 26));
  }
  return tokens;
}

grpc::Status StreamFakeModel(const v1::GenerateRequest& request,
                             grpc::ServerWriterInterface<v1::GenerateResponse>* writer,
                             std::optional<Break> where) {
  if (request.has_resume() && !IsRightResume(request)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "not a resume of that stream"};
  }
  const uint64_t prompt_tokens = PromptTokens(request);
  const uint64_t length = request.sampling().max_new_tokens();
  v1::GenerateResponse started =
      StartedMessage(std::max(1U, request.sampling().samples()), prompt_tokens);
  const uint64_t seed = request.sampling().has_seed() ? request.sampling().seed() : 7;
  started.mutable_started()->mutable_resolved()->set_seed(seed);
  started.mutable_started()->mutable_resolved()->set_max_new_tokens(static_cast<uint32_t>(length));
  BreakingWriter out(writer, where);
  bool flows = out.Write(std::move(started));
  std::vector<Growing> samples = SamplesOf(request);
  for (uint64_t token = 0; token < length; ++token) {
    for (Growing& growing : samples) {
      if (!flows || growing.generated == length) continue;
      const std::string tokens =
          FakeTokens(seed, growing.sample, prompt_tokens, growing.generated + 1);
      flows = out.Write(DeltaMessage(growing.sample, prompt_tokens + growing.generated,
                                     tokens.substr(growing.generated)));
      ++growing.generated;
      if (flows && growing.generated == length)
        flows = out.Write(FinishedMessage(growing.sample, length));
    }
  }
  // A resume may come with every token, where only the end was lost.
  if (flows && request.has_resume() && request.resume().generated().raw().size() == length) {
    flows = out.Write(FinishedMessage(samples.front().sample, length));
  }
  if (flows) flows = out.Write(SummaryMessage());
  return flows || !where.has_value() ? grpc::Status::OK : where->status;
}

}  // namespace strided::client
