#include "server/grpc_listener.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "engine/base/status_macros.h"
#include "server/address_probe.h"
#include "server/observability/log.h"

namespace strided {
namespace {

constexpr int kMaxStreamsOfConnection = 4096;
constexpr int kMaxMetadataBytes = 16 * 1024;
// Clients that ping more often are told to go away.
constexpr absl::Duration kLeastPingInterval = absl::Seconds(10);

int Milliseconds(absl::Duration time) { return static_cast<int>(absl::ToInt64Milliseconds(time)); }

void SetLimits(const ListenSettings& settings, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(settings.max_receive_bytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsOfConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(settings.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(settings.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // as many as needed
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(kLeastPingInterval));
  // Two servers on one port would share its connections, and neither would say so.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

std::string WithPort(const std::string& address, int port) {
  if (absl::StartsWith(address, "unix:")) return address;
  return absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
}

void LogForGrpc(gpr_log_func_args* message) {
  const Severity severity = message->severity == GPR_LOG_SEVERITY_ERROR  ? Severity::kError
                            : message->severity == GPR_LOG_SEVERITY_INFO ? Severity::kInfo
                                                                         : Severity::kDebug;
  Log(severity, message->message,
      {{"source", absl::StrCat("grpc ", message->file, ":", message->line)}});
}

// What a client can cause by a request that is no message; never worse than a warning.
void LogForProtobuf(google::protobuf::LogLevel, const char* file, int line,
                    const std::string& message) {
  Log(Severity::kWarning, message, {{"source", absl::StrCat("protobuf ", file, ":", line)}});
}

}  // namespace

void RouteLibraryLogs() {
  gpr_set_log_function(&LogForGrpc);
  google::protobuf::SetLogHandler(&LogForProtobuf);
}

absl::StatusOr<GrpcListener> ListenGrpc(const ListenSettings& settings,
                                        const std::vector<grpc::Service*>& services) {
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetLimits(settings, builder);
  for (grpc::Service* const service : services) builder.RegisterService(service);
  std::vector<int> ports(settings.addresses.size(), 0);  // filled by BuildAndStart; 0: not bound
  for (size_t i = 0; i < ports.size(); ++i) {
    RETURN_IF_ERROR(CheckCanListen(settings.addresses[i]));
    builder.AddListeningPort(settings.addresses[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  GrpcListener listener;
  listener.server = builder.BuildAndStart();
  for (size_t i = 0; i < ports.size(); ++i) {
    if (listener.server == nullptr && ports[i] == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot listen on ", settings.addresses[i], ": gRPC could not bind it"));
    }
    listener.addresses.push_back(WithPort(settings.addresses[i], ports[i]));
  }
  if (listener.server == nullptr) return absl::InternalError("gRPC could not start a server");
  return listener;
}

}  // namespace strided
