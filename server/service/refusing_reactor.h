// A streaming RPC that ends at once with an error.

#ifndef STRIDED_SERVER_SERVICE_REFUSING_REACTOR_H_
#define STRIDED_SERVER_SERVICE_REFUSING_REACTOR_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <utility>

namespace strided {

// Owns itself until gRPC is done with it.
template <typename Response>
class RefusingReactor final : public grpc::ServerWriteReactor<Response> {
 public:
  // Ends the call with `error`, which is not OK, without a message. gRPC gets the pointer from the
  // handler; nobody else may use it.
  static RefusingReactor* Launch(grpc::Status error) {
    auto reactor = std::make_unique<RefusingReactor>();
    RefusingReactor* const launched = reactor.get();
    launched->self_ = std::move(reactor);
    launched->Finish(std::move(error));
    return launched;
  }

 private:
  // The last thing that gRPC asks of a reactor: here it ends.
  void OnDone() override { const std::unique_ptr<RefusingReactor> last = std::move(self_); }

  std::unique_ptr<RefusingReactor> self_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_REFUSING_REACTOR_H_
