// A certificate for 127.0.0.1, made anew for each test: no key lies in the repository.

#ifndef STRIDED_TESTS_CLIENT_CPP_SELF_SIGNED_H_
#define STRIDED_TESTS_CLIENT_CPP_SELF_SIGNED_H_

#include <string>

namespace strided::client {

struct SelfSigned {
  std::string certificate;  // PEM; its own root
  std::string key;          // PEM
};

// Valid for a day. Aborts where OpenSSL fails: a test cannot go on.
SelfSigned MakeSelfSigned();

}  // namespace strided::client

#endif  // STRIDED_TESTS_CLIENT_CPP_SELF_SIGNED_H_
