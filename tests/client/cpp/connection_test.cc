#include "client/cpp/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

TEST(ConnectionTest, LocalAddressesAreKnown) {
  for (const char* address : {"unix:/run/strided", "localhost:50051", "127.0.0.1:1", "127.9.8.7:1",
                              "[::1]:50051", "dns:///localhost:50051"}) {
    EXPECT_TRUE(IsLocalAddress(address)) << address;
  }
  for (const char* address : {"10.0.0.1:50051", "example.com:443", "127.example.com:443",
                              "[fe80::1]:1", "localhost.example.com:1", "0.0.0.0:1", ""}) {
    EXPECT_FALSE(IsLocalAddress(address)) << address;
  }
}

TEST(ConnectionTest, ClearTextToAnotherMachineHasToBeAllowed) {
  EXPECT_THAT(OpenChannel({.address = "10.0.0.1:50051"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("'10.0.0.1:50051' may be another machine")));
  EXPECT_OK(OpenChannel({.address = "10.0.0.1:50051", .plaintext = true}));
  EXPECT_OK(OpenChannel({.address = "10.0.0.1:50051", .tls = true}));
}

TEST(ConnectionTest, TlsAndPlainTextExcludeEachOther) {
  EXPECT_THAT(OpenChannel({.tls_roots = "pem", .plaintext = true}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("exclude each other")));
}

TEST(ConnectionTest, ATokenThatNoHeaderCanCarryIsRefused) {
  EXPECT_THAT(OpenChannel({.token = "secret\n"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("printable ASCII")));
  EXPECT_OK(OpenChannel({.token = "abc.DEF-123"}));
}

TEST(ConnectionTest, AnAddressNeedsAPort) {
  for (const char* address :
       {"127.0.0.1", "[::1]", "localhost:", "localhost:0", "127.0.0.1:65536", "127.0.0.1:x"}) {
    EXPECT_THAT(OpenChannel({.address = address}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("does not end in a port from 1 to 65535")))
        << address;
  }
  for (const char* address : {"127.0.0.1:65535", "[::1]:1", "dns:///localhost:1", "unix:/a"}) {
    EXPECT_OK(OpenChannel({.address = address})) << address;
  }
}

TEST(ConnectionTest, AnEmptyAddressIsRefused) {
  EXPECT_THAT(OpenChannel({.address = ""}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("address is empty")));
}

}  // namespace
}  // namespace strided::client
