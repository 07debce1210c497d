#include "server/observability/metrics_exposer.h"

#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <exception>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/observability/process_series.h"

namespace strided {
namespace {

// "host" of "host:port"; InvalidArgument where it is not of that form. CivetWeb would take a lone
// port as one of every interface, and letters after it as orders to use TLS.
absl::StatusOr<std::string> HostOf(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      address.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics address \"", address, "\"; expected host:port, port 0 to 65535"));
  }
  return address.substr(0, colon);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsExposer>> MetricsExposer::Start(const std::string& address,
                                                                      const Metrics& metrics) {
  const absl::StatusOr<std::string> host = HostOf(address);
  if (!host.ok()) return host.status();
  const auto refused = [&](absl::string_view reason) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot serve metrics on ", address, ": ", reason));
  };
  // The library reports by exceptions; none leaves this function.
  try {
    // A client that connects and asks nothing takes a thread until the timeout.
    auto exposer = std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", address, "num_threads", "4", "request_timeout_ms", "2000"});
    const std::vector<int> ports = exposer->GetListeningPorts();
    if (ports.empty()) return refused("it opened no port");
    return std::make_unique<MetricsExposer>(absl::StrCat(*host, ":", ports.front()),
                                            std::move(exposer), metrics);
  } catch (const std::exception& error) {
    return refused(error.what());
  }
}

MetricsExposer::MetricsExposer(std::string address, std::unique_ptr<prometheus::Exposer> exposer,
                               const Metrics& metrics)
    : address_(std::move(address)),
      registry_(metrics.registry()),
      process_(std::make_shared<ProcessSeries>()),
      exposer_(std::move(exposer)) {
  exposer_->RegisterCollectable(registry_);
  exposer_->RegisterCollectable(process_);
}

MetricsExposer::~MetricsExposer() = default;

}  // namespace strided
