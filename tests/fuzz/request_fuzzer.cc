// Requests out of any bytes: each becomes a job that its model can run, or an error that names its
// field. The same bytes are read as a GenerateRequest and as a ScoreRequest.

#include <cstddef>
#include <cstdint>
#include <string>

#include "strided/v1/sampling.pb.h"
#include "tests/fuzz/require.h"
#include "tests/server/service/request_claims.h"

namespace strided {
namespace {

template <typename Request>
void Check(const uint8_t* bytes, size_t size) {
  Request request;
  if (!request.ParseFromArray(bytes, static_cast<int>(size))) return;  // gRPC refuses these
  const std::string broken = BrokenClaim(request);
  Require(broken.empty(), broken.c_str());
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  strided::Check<strided::v1::GenerateRequest>(bytes, size);
  strided::Check<strided::v1::ScoreRequest>(bytes, size);
  return 0;
}
