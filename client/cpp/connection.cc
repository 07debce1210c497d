#include "client/cpp/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace strided::client {
namespace {

constexpr int kKeepaliveTimeMs = 30'000;  // the server tolerates one ping in 10 s
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kFirstReconnectMs = 100;
constexpr int kLongestReconnectMs = 2'000;

// The host of "host:port", "[host]:port" or "host".
absl::string_view HostOf(absl::string_view address) {
  if (absl::ConsumePrefix(&address, "[")) return address.substr(0, address.find(']'));
  return address.substr(0, address.rfind(':'));
}

// gRPC takes a port that is missing for 0, and cuts one that is too large to 16 bits.
bool EndsInPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) &&
         port >= 1 && port <= 65535;
}

absl::Status CheckAddress(const ConnectOptions& options) {
  if (options.address.empty()) return absl::InvalidArgumentError("the address is empty");
  if (!absl::StartsWith(options.address, "unix") && !EndsInPort(options.address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", options.address, "' does not end in a port from 1 to 65535"));
  }
  const bool tls = options.tls || !options.tls_roots.empty();
  if (tls && options.plaintext) {
    return absl::InvalidArgumentError("TLS and plain text exclude each other");
  }
  if (!tls && !options.plaintext && !IsLocalAddress(options.address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", options.address,
                     "' may be another machine: choose TLS, or allow plain text explicitly"));
  }
  return absl::OkStatus();
}

// gRPC aborts the process on a header that is not printable ASCII.
absl::Status CheckToken(const std::string& token) {
  if (std::all_of(token.begin(), token.end(),
                  [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("the token holds a character that is not printable ASCII");
}

}  // namespace

bool IsLocalAddress(absl::string_view address) {
  if (absl::StartsWith(address, "unix:") || absl::StartsWith(address, "unix-abstract:")) {
    return true;
  }
  absl::ConsumePrefix(&address, "dns:///");
  const absl::string_view host = HostOf(address);
  // "127.example.com" is a name like any other: only digits and dots make an address.
  const bool dotted = std::all_of(host.begin(), host.end(), [](char c) {
    return c == '.' || absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  return host == "localhost" || host == "::1" || (dotted && absl::StartsWith(host, "127."));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const ConnectOptions& options) {
  if (absl::Status status = CheckAddress(options); !status.ok()) return status;
  if (absl::Status status = CheckToken(options.token); !status.ok()) return status;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (options.tls || !options.tls_roots.empty()) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = options.tls_roots;
    credentials = grpc::SslCredentials(tls);
  } else {
    credentials = grpc::InsecureChannelCredentials();
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  // Otherwise two clients of one process would share a connection, and its backoff.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(options.address, credentials, arguments);
}

}  // namespace strided::client
