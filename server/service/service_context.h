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
  // Which models there are.
  const ModelSource* models = nullptr;
  // How many requests may be here at once, of all models together.
  Admission* admission = nullptr;
  // Where calls and objects are counted.
  Metrics* metrics = nullptr;
  // The time of everything but gRPC's own deadlines.
  const Clock* clock = nullptr;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SERVICE_CONTEXT_H_
