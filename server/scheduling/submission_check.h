// Whether a job could ever run.

#ifndef STRIDED_SERVER_SCHEDULING_SUBMISSION_CHECK_H_
#define STRIDED_SERVER_SCHEDULING_SUBMISSION_CHECK_H_

#include "absl/status/status.h"
#include "engine/executor.h"
#include "server/scheduling/job.h"

namespace strided {

// What the scheduler relies on, beyond what a parser of requests says in the client's terms:
// InvalidArgument where the job has nothing to do, or a sequence longer than the model's context
// (reason CONTEXT_LENGTH_EXCEEDED {limit, given}, in tokens), or caches that exceed the device's.
absl::Status CheckSubmission(const Job& job, const Executor& executor);

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SUBMISSION_CHECK_H_
