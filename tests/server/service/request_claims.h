// What must hold of any request, however it was made: it becomes a job that its model can run, or
// an error that says what is wrong.

#ifndef STRIDED_TESTS_SERVER_SERVICE_REQUEST_CLAIMS_H_
#define STRIDED_TESTS_SERVER_SERVICE_REQUEST_CLAIMS_H_

#include <string>

#include "strided/v1/sampling.pb.h"

namespace strided {

// Parses the request for a model of each kind. The first claim that does not hold, with the
// model's modality; empty where all hold.
std::string BrokenClaim(const v1::GenerateRequest& request);
std::string BrokenClaim(const v1::ScoreRequest& request);

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SERVICE_REQUEST_CLAIMS_H_
