// `stride score` against scripted servers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cpp/media/png.h"
#include "client/cpp/media/wav.h"
#include "client/cpp/output/json.h"
#include "tests/client/cpp/command/run_stride.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A server whose log-probability of a token is minus its byte: sums tell which bytes were counted.
Script ByteScript(std::vector<v1::Model> models) {
  Script script = {.models = std::move(models)};
  script.score = [](const v1::ScoreRequest& request, int, Script::ScoreWriter* writer) {
    const std::string& raw = request.sequence().raw();
    v1::ScoreResponse message;
    message.set_first_position(request.score_from());
    double total = 0;
    for (uint64_t i = request.score_from(); i < raw.size(); ++i) {
      const float log_prob = -static_cast<float>(static_cast<uint8_t>(raw[i]));
      message.mutable_log_probs()->add_chosen(log_prob);
      total += log_prob;
    }
    message.set_total_log_prob(total);
    writer->Write(message);
    return grpc::Status::OK;
  };
  return script;
}

Ran Score(const ScriptedServer& server, const std::vector<std::string>& flags) {
  std::vector<std::string> argv = {STRIDE_PROGRAM, "score", "--address", server.address()};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return RunningProgram(argv).Wait();
}

Json Result(const Ran& ran) {
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  return Json::parse(ran.out, nullptr, /*allow_exceptions=*/false);
}

TEST(ScoreProgramTest, EveryByteOfALongFileCountsOnceHoweverItIsCut) {
  std::string text;
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    text.push_back(static_cast<char>(i * 37));
    sum += static_cast<uint8_t>(text.back());
  }
  const ScriptedServer server(ByteScript({TextModel("text", 64)}));
  const TemporaryDirectory directory;
  const std::string file = directory.Write("book.txt", text);
  const std::vector<std::vector<std::string>> cuts = {{},
                                                      {"--window", "7"},
                                                      {"--window", "50", "--overlap", "49"},
                                                      {"--parallel", "1"},
                                                      {"--overlap", "32", "--parallel", "16"}};
  for (std::vector<std::string> flags : cuts) {
    flags.insert(flags.end(), {"--json", file});
    const Json result = Result(Score(server, flags));
    EXPECT_EQ(result["tokens"], 1000);
    EXPECT_EQ(result["total_log_prob"], -sum) << flags[0];
    EXPECT_NEAR(result["bits_per_token"], sum / 1000 / std::log(2.0), 1e-9);
    EXPECT_EQ(result["unit"], "byte");
  }
}

TEST(ScoreProgramTest, TheReportIsForPeople) {
  const ScriptedServer server(ByteScript({TextModel("text", 64)}));
  const TemporaryDirectory directory;
  const Ran ran = Score(server, {directory.Write("a.txt", std::string("\1\1\1\1", 4))});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_THAT(ran.out, HasSubstr("model                   text/1\n"
                                 "tokens                  4 in 1 window\n"
                                 "total log-probability   -4 nats\n"
                                 "bits per byte           1.44270\n"));
}

TEST(ScoreProgramTest, ImagesMayBePngOrManyInAFile) {
  const ScriptedServer server(ByteScript({ImageModel(1, 2, 3)}));
  const TemporaryDirectory directory;
  const std::string png = directory.Write("a.png", *EncodePng({1, 2, 3, {1, 2, 3, 4, 5, 6}}));
  const std::string raw = directory.Write("many.raw", std::string(12, '\2'));
  const Json result = Result(Score(server, {"--json", png, raw}));
  EXPECT_EQ(result["windows"], 3);
  EXPECT_EQ(result["tokens"], 18);
  EXPECT_EQ(result["total_log_prob"], -(21.0 + 24.0));
  EXPECT_EQ(result["unit"], "dimension");
  const std::string odd = directory.Write("odd.raw", "abcde");
  const Ran refused = Score(server, {odd});
  EXPECT_EQ(refused.error,
            "stride: the file has 5 bytes, which is no whole number of images of 6\n");
  EXPECT_EQ(refused.exit_code, 2);
}

TEST(ScoreProgramTest, TheFileThatCannotBeReadIsNamed) {
  const ScriptedServer server(ByteScript({ImageModel(1, 2, 3)}));
  const TemporaryDirectory directory;
  const std::string good = directory.Write("many.raw", std::string(12, '\2'));
  const std::string cut = directory.Write("cut.png", "\x89PNG\r\n\x1a\n");
  const Ran ran = Score(server, {good, cut});
  EXPECT_THAT(ran.error, StartsWith("stride: '" + cut + "': not a readable PNG file"));
  EXPECT_EQ(ran.exit_code, 2);
}

TEST(ScoreProgramTest, AWavIsScoredAsTheModelsCodes) {
  const ScriptedServer server(ByteScript({AudioModel(8000)}));
  const TemporaryDirectory directory;
  const std::string wav = directory.Write("a.wav", *EncodeWav({8000, {32767, -32767}}));
  const Json result = Result(Score(server, {"--json", wav}));
  EXPECT_EQ(result["total_log_prob"], -255.0);
  EXPECT_EQ(result["unit"], "sample");
}

TEST(ScoreProgramTest, OneOfSeveralModelsHasToBeNamed) {
  const ScriptedServer server(ByteScript({TextModel("a", 64), TextModel("b", 64)}));
  const TemporaryDirectory directory;
  const std::string file = directory.Write("a.txt", "x");
  const Ran ran = Score(server, {file});
  EXPECT_EQ(ran.error, "stride: --model is needed: the server has a, b\n");
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(Result(Score(server, {"--json", "--model", "b", file}))["model"], "b");
}

TEST(ScoreProgramTest, TheFirstErrorEndsIt) {
  Script script = {.models = {TextModel("text", 4)}};
  script.score = [](const v1::ScoreRequest&, int, Script::ScoreWriter*) {
    return RichStatus(grpc::StatusCode::INTERNAL, "device fault").Reason("DEVICE_FAULT").Build();
  };
  const ScriptedServer server(script);
  const TemporaryDirectory directory;
  const Ran ran = Score(server, {directory.Write("a.txt", std::string(400, 'x'))});
  EXPECT_EQ(ran.error, "stride: INTERNAL: device fault (reason DEVICE_FAULT)\n");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(ran.out, "");
}

TEST(ScoreProgramTest, AnEmptyFileHasNoScore) {
  const ScriptedServer server(ByteScript({TextModel("text", 64)}));
  const TemporaryDirectory directory;
  const std::string file = directory.Write("empty", "");
  const Ran ran = Score(server, {file});
  EXPECT_EQ(ran.error, "stride: '" + file + "' is empty\n");
  EXPECT_EQ(ran.exit_code, 2);
}

// A server whose model takes `context` tokens, each of which is a word with the space before it,
// and scores the tokens after a sequence's first with -1.
Script WordScript(v1::Model model) {
  Script script = {.models = {model}};
  script.score = [context = model.context_length()](const v1::ScoreRequest& request, int,
                                                    Script::ScoreWriter* writer) {
    const std::string& text = request.sequence().raw();
    auto words = static_cast<uint64_t>(std::count(text.begin(), text.end(), ' '));
    if (!text.starts_with(' ')) ++words;
    if (words > context) {
      return RichStatus(grpc::StatusCode::INVALID_ARGUMENT, "too long")
          .Reason("CONTEXT_LENGTH_EXCEEDED",
                  {{"limit", absl::StrCat(context)}, {"given", absl::StrCat(words)}})
          .Build();
    }
    v1::ScoreResponse message;
    message.set_first_position(1);
    for (uint64_t word = 1; word < words; ++word) message.mutable_log_probs()->add_chosen(-1);
    message.set_total_log_prob(1 - static_cast<double>(words));
    writer->Write(message);
    return grpc::Status::OK;
  };
  return script;
}

TEST(ScoreProgramTest, TextForATokenizerIsCutWhereTheContextEnds) {
  v1::Model model = TextModel("words", 10);
  model.set_vocab_size(50257);
  model.set_has_tokenizer(true);
  const ScriptedServer server(WordScript(model));
  std::string text = "w";
  for (int i = 1; i < 100; ++i) text += i % 3 == 0 ? " longer" : " w";
  const TemporaryDirectory directory;
  const std::string path = directory.Write("words.txt", text);
  const Json result = Result(Score(server, {"--json", path}));
  // Each piece reads its first word and scores the others: fewer than 100, by one a piece.
  const int scored = result["tokens"];
  EXPECT_GT(scored, 75);
  EXPECT_LT(scored, 91);
  EXPECT_EQ(result["total_log_prob"], -scored);
  EXPECT_EQ(result["unit"], "token");
}

}  // namespace
}  // namespace strided::client
