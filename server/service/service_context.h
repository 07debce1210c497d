// What every gRPC service of the server works with.

#ifndef STRIDED_SERVER_SERVICE_SERVICE_CONTEXT_H_
#define STRIDED_SERVER_SERVICE_SERVICE_CONTEXT_H_

#include "engine/base/clock.h"
#include "server/observability/metrics.h"
#include "server/repository/model_source.h"
#include "server/scheduling/admission.h"

namespace strided {

// Nothing here is owned, nothing is null, and all of it outlives the services. Cheap to copy.
struct ServiceContext {
  const ModelSource* models = nullptr;
  Admission* admission = nullptr;
  Metrics* metrics = nullptr;
  const Clock* clock = nullptr;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SERVICE_CONTEXT_H_
