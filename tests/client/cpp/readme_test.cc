// The C++ code of client/README.md and README.md is the one that is compiled here, and it works.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/client.h"
#include "client/cpp/output/byte_sink.h"
#include "tests/client/cpp/command/run_stride.h"
#include "tests/client/cpp/fake_model.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

// Of readme_fragment.cc.
absl::Status Print(strided::client::Client& client, const strided::v1::GenerateRequest& request);

namespace strided::client {
namespace {

using ::testing::HasSubstr;

TEST(ReadmeTest, WhatIsCompiledIsWhatTheReadmesShow) {
  for (const auto& [document, source] :
       {std::pair("client/README.md", "tests/client/cpp/readme_example.cc"),
        std::pair("README.md", "tests/client/cpp/readme_fragment.cc")}) {
    ASSERT_OK_AND_ASSIGN(const std::string readme, ReadInput(document));
    ASSERT_OK_AND_ASSIGN(const std::string code, ReadInput(source));
    EXPECT_THAT(readme, HasSubstr("```cpp\n" + code + "```\n"));
  }
}

TEST(ReadmeTest, TheFragmentPrintsTokens) {
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer);
  }});
  ASSERT_OK_AND_ASSIGN(Client client, Client::Connect({.address = server.address()}));
  v1::GenerateRequest request;
  request.mutable_sampling()->set_max_new_tokens(9);
  testing::internal::CaptureStdout();
  EXPECT_OK(Print(client, request));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), FakeTokens(7, 0, 0, 9));
}

TEST(ReadmeTest, TheProgramStreamsTokens) {
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer);
  }});
  const Ran ran = RunningProgram({README_EXAMPLE, server.address()}).Wait();
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  const std::string prompt = "The history of ";
  EXPECT_EQ(ran.out, FakeTokens(7, 0, prompt.size(), 200) + "\n");
}

TEST(ReadmeTest, TheProgramShowsAnError) {
  const ScriptedServer server({.generate = [](const auto&, int, auto*) {
    return RichStatus(grpc::StatusCode::UNAVAILABLE, "full").Reason("QUEUE_FULL").Build();
  }});
  const Ran ran = RunningProgram({README_EXAMPLE, server.address()}).Wait();
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(ran.error, "full\nreason: QUEUE_FULL\n");
}

}  // namespace
}  // namespace strided::client
