#include "server/service/score_reactor.h"

#include <memory>
#include <utility>

#include "engine/base/status_macros.h"
#include "server/service/message_bytes.h"
#include "server/service/output_parser.h"
#include "server/service/request_fields.h"
#include "server/service/score_parser.h"

namespace strided {

ScoreReactor* ScoreReactor::Launch(const Site& site, const grpc::ByteBuffer& request) {
  const auto reactor = std::make_shared<ScoreReactor>(site);
  reactor->Hold(reactor);
  const absl::Status begun = reactor->Begin(request);
  if (!begun.ok()) reactor->Refuse(begun);
  return reactor.get();
}

absl::Status ScoreReactor::Begin(const grpc::ByteBuffer& bytes) {
  ASSIGN_OR_RETURN(const v1::ScoreRequest request, ParseMessage<v1::ScoreRequest>(bytes));
  ASSIGN_OR_RETURN(const ServedModel* model, FindModel(request.model()));
  ASSIGN_OR_RETURN(ScoreCall call, ParseScore(request, *model, MakeArrival(*context().clock)));
  ASSIGN_OR_RETURN(Ticket ticket, context().admission->Admit());
  SetEncoder(ScoreEncoder(call.start.given));
  OutputPlan output;
  output.top_logprobs = call.job.top_logprobs;
  Submit(std::move(call.job), std::move(ticket), {.mailbox = PaceOf(output), .tokens_only = true});
  return absl::OkStatus();
}

}  // namespace strided
