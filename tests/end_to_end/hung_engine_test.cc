// An engine that hangs: one thread of the real server is stopped in the middle of a step.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/end_to_end/running_server.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckResponse;

// Processor time that each thread of a process has used, in ticks.
std::map<pid_t, int64_t> TicksOfThreads(pid_t process) {
  std::map<pid_t, int64_t> ticks;
  const std::string tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream stat(task.path() / "stat");
    std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) continue;           // the thread has ended
    std::istringstream fields(text.substr(name_end + 1));  // from field 3, proc(5)
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    int64_t user = 0;
    fields >> user;
    ticks[std::stoi(task.path().filename())] = user;
  }
  return ticks;
}

// The thread that computes: the one that has worked most. With --threads=1 that is the scheduler's.
pid_t BusiestThread(pid_t process) {
  constexpr int64_t kClearly = 20;
  pid_t busiest = 0;
  EXPECT_TRUE(Eventually([&] {
    int64_t most = 0;
    for (const auto& [thread, ticks] : TicksOfThreads(process)) {
      if (ticks > most) {
        most = ticks;
        busiest = thread;
      }
    }
    return most >= kClearly;
  }));
  return busiest;
}

// Stops the thread inside a step: between two it would hold nobody up. False, with errno, where
// threads cannot be stopped.
bool StopInsideAStep(const RunningServer& server, pid_t thread) {
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) return false;
  const auto is_slow = [&] {
    return server.Series(R"(strided_engine_healthy{model="text",version="1"})") == 0;
  };
  while (true) {
    EXPECT_EQ(ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr), 0);
    EXPECT_EQ(waitpid(thread, nullptr, __WALL), thread);
    const absl::Time deadline = absl::Now() + absl::Seconds(2);
    while (absl::Now() < deadline) {
      if (is_slow()) return true;
    }
    EXPECT_EQ(ptrace(PTRACE_CONT, thread, nullptr, nullptr), 0);
  }
}

TEST(HungEngineTest, HealthIsNotServingAndTheProcessEnds) {
  const TemporaryDirectory models;
  WriteTextModel(models, /*d_model=*/256);  // so that it is hardly ever between two steps
  RunningServer server(
      {"--model_repository=" + models.path(), "--slow_step_limit=200ms", "--hung_step_limit=4s"});
  ASSERT_TRUE(server.ready());
  const auto health = Health::NewStub(server.NewChannel());
  grpc::ClientContext watch_context;
  const auto watch = health->Watch(&watch_context, {});
  HealthCheckResponse status;
  ASSERT_TRUE(watch->Read(&status));
  EXPECT_EQ(status.status(), HealthCheckResponse::SERVING);

  grpc::ClientContext context;
  const auto stub = server.NewStub();
  const auto stream = stub->Generate(&context, RequestFor(kContextLength));
  Received received;
  std::thread reader([&] { received = ReadAll(*stream); });
  const pid_t thread = BusiestThread(server.process().pid());
  if (!StopInsideAStep(server, thread)) {
    const int error = errno;
    context.TryCancel();
    reader.join();
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the reader has ended
    GTEST_SKIP() << "threads cannot be stopped here: " << std::strerror(error);
  }
  ASSERT_TRUE(watch->Read(&status));
  EXPECT_EQ(status.status(), HealthCheckResponse::NOT_SERVING);
  reader.join();
  EXPECT_EQ(received.status.error_code(), grpc::StatusCode::INTERNAL)
      << received.status.error_message();
  EXPECT_EQ(ReasonOf(received.status), "ENGINE_ERROR");
  EXPECT_OK(server.process().AwaitLine("engine hangs"));
  waitpid(thread, nullptr, __WALL);  // whoever stops a thread has to see it end
  EXPECT_THAT(server.process().AwaitExit(), IsOkAndHolds(3));
}

}  // namespace
}  // namespace strided
