// Requests with random fields at the edges of their types, from protobuf's reflection.

#ifndef STRIDED_TESTS_SERVER_SERVICE_RANDOM_REQUEST_H_
#define STRIDED_TESTS_SERVER_SERVICE_RANDOM_REQUEST_H_

#include <google/protobuf/message.h>

#include <random>

namespace strided {

// Sets one field of `message`, or of a message within it, to a value out of the edges of its type
// and a few plain ones; or clears it. The same on every machine for one state of `random`.
void MutateField(google::protobuf::Message& message, std::mt19937& random);

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SERVICE_RANDOM_REQUEST_H_
