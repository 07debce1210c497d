#include "tests/server/observability/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace strided {

absl::StatusOr<std::string> HttpGet(absl::string_view address, absl::string_view path) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(address, absl::MaxSplits(':', 1));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  uint32_t port = 0;
  if (inet_pton(AF_INET, parts.first.c_str(), &name.sin_addr) != 1 ||
      !absl::SimpleAtoi(parts.second, &port)) {
    return absl::InvalidArgumentError(absl::StrCat("not an address: ", address));
  }
  name.sin_port = htons(static_cast<uint16_t>(port));
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto close_connection = absl::MakeCleanup([connection] { close(connection); });
  const auto failed = [&] {
    return absl::UnavailableError(absl::ErrnoToStatus(errno, address).message());
  };
  if (connect(connection, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
    return failed();
  }
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: ", address, "\r\nConnection: close\r\n\r\n");
  if (send(connection, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return failed();
  }
  std::string answer;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t bytes = read(connection, buffer.data(), buffer.size());
    if (bytes < 0) return failed();
    if (bytes == 0) return answer;
    answer.append(buffer.data(), static_cast<size_t>(bytes));
  }
}

}  // namespace strided
