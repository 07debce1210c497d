#include "server/address_probe.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace strided {
namespace {

// Closes on destruction.
class Socket {
 public:
  Socket(int family, int type) : descriptor_(socket(family, type | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status Refused(const std::string& address, absl::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat("cannot listen on ", address, ": ", reason));
}

std::string SystemReason(int error) { return std::generic_category().message(error); }

absl::Status ProbeUnix(const std::string& address, const std::string& path) {
  struct stat found = {};
  if (stat(path.c_str(), &found) != 0) {
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    return access(folder.c_str(), W_OK) == 0 ? absl::OkStatus()
                                             : Refused(address, SystemReason(errno));
  }
  if (!S_ISSOCK(found.st_mode)) return Refused(address, "there is a file that is no socket");
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const Socket client(AF_UNIX, SOCK_STREAM);
  if (connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0) {
    return Refused(address, SystemReason(EADDRINUSE));
  }
  return absl::OkStatus();
}

// "[::1]:80" -> "::1", "80".
absl::Status ProbeTcp(const std::string& address) {
  const size_t colon = address.rfind(':');
  absl::string_view host = absl::string_view(address).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(std::string(host).c_str(), address.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) return Refused(address, gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> names(found, &freeaddrinfo);
  int failure = 0;
  for (const addrinfo* name = names.get(); name != nullptr; name = name->ai_next) {
    const Socket socket(name->ai_family, name->ai_socktype);
    const int reuse = 1;  // as gRPC does: a port whose last connections linger is free
    setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
    if (bind(socket.descriptor(), name->ai_addr, name->ai_addrlen) == 0) return absl::OkStatus();
    failure = errno;
  }
  return Refused(address, SystemReason(failure));
}

}  // namespace

absl::Status CheckCanListen(const std::string& address) {
  absl::string_view path = address;
  if (absl::ConsumePrefix(&path, "unix:")) return ProbeUnix(address, std::string(path));
  return ProbeTcp(address);
}

}  // namespace strided
