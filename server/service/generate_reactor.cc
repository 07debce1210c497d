#include "server/service/generate_reactor.h"

#include <memory>
#include <utility>

#include "engine/base/status_macros.h"
#include "server/service/generate_parser.h"
#include "server/service/message_bytes.h"
#include "server/service/output_parser.h"
#include "server/service/request_fields.h"

namespace strided {

GenerateReactor* GenerateReactor::Launch(const Site& site, const grpc::ByteBuffer& request) {
  const auto reactor = std::make_shared<GenerateReactor>(site);
  reactor->Hold(reactor);
  const absl::Status begun = reactor->Begin(request);
  if (!begun.ok()) reactor->Refuse(begun);
  return reactor.get();
}

absl::Status GenerateReactor::Begin(const grpc::ByteBuffer& bytes) {
  ASSIGN_OR_RETURN(const v1::GenerateRequest request, ParseMessage<v1::GenerateRequest>(bytes));
  ASSIGN_OR_RETURN(const ServedModel* model, FindModel(request.model()));
  ASSIGN_OR_RETURN(GenerateCall call,
                   ParseGenerate(request, *model, MakeArrival(*context().clock)));
  ASSIGN_OR_RETURN(Ticket ticket, context().admission->Admit());
  GenerateEncoder::Options options{.format = call.output.format, .given = call.start.given};
  if (model->tokenizer.has_value()) options.tokenizer = &*model->tokenizer;
  if (call.start.given > 0 && call.job.echo_prompt) options.echoed = call.start.first_input;
  if (model->config().audio.has_value()) options.audio_encoding = model->config().audio->encoding;
  SetEncoder(GenerateEncoder(MakeStarted(request, *model, call), options));
  Submit(std::move(call.job), std::move(ticket), {.mailbox = PaceOf(call.output)});
  return absl::OkStatus();
}

}  // namespace strided
