// 1,024 streams at once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "tests/end_to_end/running_server.h"

namespace strided {
namespace {

constexpr int kStreams = 1024;

// Reads a stream from gRPC's own threads; says when its first token and its end have come.
class StreamReader final : public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  StreamReader(v1::SamplingService::Stub& stub, v1::GenerateRequest request,
               absl::BlockingCounter* first_token, absl::BlockingCounter* end)
      : request_(std::move(request)), first_token_(first_token), end_(end) {
    stub.async()->Generate(&context_, &request_, this);
    StartRead(&message_);
    StartCall();
  }

  void Cancel() { context_.TryCancel(); }
  // After the end.
  const std::string& raw() const { return raw_; }
  const grpc::Status& status() const { return status_; }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    const bool had_none = raw_.empty();
    raw_ += message_.delta().raw();
    if (had_none && !raw_.empty()) first_token_->DecrementCount();
    StartRead(&message_);
  }
  void OnDone(const grpc::Status& status) override {
    if (raw_.empty()) first_token_->DecrementCount();
    status_ = status;
    end_->DecrementCount();
  }

  grpc::ClientContext context_;
  const v1::GenerateRequest request_;
  absl::BlockingCounter* const first_token_;
  absl::BlockingCounter* const end_;
  v1::GenerateResponse message_;
  std::string raw_;
  grpc::Status status_;
};

// Starts kStreams of them over four connections.
struct Streams {
  Streams(const RunningServer& server, uint32_t tokens) {
    for (int i = 0; i < 4; ++i) stubs.push_back(server.NewStub());
    for (int i = 0; i < kStreams; ++i) {
      const auto seed = static_cast<uint64_t>(i % 8);
      readers.push_back(std::make_unique<StreamReader>(
          *stubs[static_cast<size_t>(i % 4)], RequestFor(tokens, seed), &first_tokens, &ends));
    }
  }
  absl::BlockingCounter first_tokens{kStreams};
  absl::BlockingCounter ends{kStreams};
  std::vector<std::unique_ptr<v1::SamplingService::Stub>> stubs;
  std::vector<std::unique_ptr<StreamReader>> readers;
};

TEST(ManyStreamsTest, EachGetsTheTokensThatItWouldGetAlone) {
  RunningServer server({"--max_sequences=64"});
  ASSERT_TRUE(server.ready());
  std::vector<std::string> alone;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    alone.push_back(Generate(*server.NewStub(), RequestFor(40, seed)).raw);
    ASSERT_EQ(alone.back().size(), 40u);
  }
  Streams streams(server, 40);
  streams.ends.Wait();
  int wrong = 0;
  for (int i = 0; i < kStreams; ++i) {
    const StreamReader& reader = *streams.readers[static_cast<size_t>(i)];
    EXPECT_TRUE(reader.status().ok()) << "stream " << i << ": " << reader.status().error_message();
    wrong += reader.raw() == alone[static_cast<size_t>(i % 8)] ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
}

TEST(ManyStreamsTest, AllRunAtOnceAndAllAreFreedWhenCancelled) {
  RunningServer server({"--max_sequences=1024"});
  ASSERT_TRUE(server.ready());
  Streams streams(server, kContextLength);
  streams.first_tokens.Wait();
  EXPECT_EQ(server.Series(R"(strided_sequences_running{model="text",version="1"})"), kStreams);
  for (const auto& reader : streams.readers) reader->Cancel();
  streams.ends.Wait();
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
}

}  // namespace
}  // namespace strided
