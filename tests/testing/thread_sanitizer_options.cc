// What ThreadSanitizer is told about a distribution's gRPC, which is not built with
// -fsanitize=thread: the sanitizer sees its locks, its calls of memcpy, free and recvmsg, and what
// its headers bring into our programs, but not the atomics by which it orders them. Linked into
// every program of the tsan preset, beside mutex_for_thread_sanitizer.cc, so that these hold
// however a program is started; TSAN_OPTIONS adds to them.

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the sanitizer's names

// Accesses to memory by the C library on behalf of such a library are not looked at; the locks that
// it takes still order things. Those of our own code all are.
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

const char* __tsan_default_suppressions() {
  return
      // An operation is filled in by the thread that starts it and read by the one that is told of
      // its end; gRPC's core orders the two by its completion queue, an atomic list. FinalizeResult
      // calls nothing of ours.
      "race:grpc::internal::CallOpSet<*>::FinalizeResult\n"
      // The same of the function that an operation's end is to call: moved in by the thread that
      // starts it.
      "race:grpc::internal::CallbackWithSuccessTag::Set\n"
      // What a call is set up with by the thread that accepts it, and read by the first one that is
      // told of an end: the completion queue again. RunHandler's own accesses alone, not those of
      // the handlers that it calls.
      "race_top:grpc::internal::CallbackServerStreamingHandler<*>::RunHandler\n"
      "race_top:grpc::internal::CallbackUnaryHandler<*>::RunHandler\n"
      "race_top:grpc::internal::CallbackServerStreamingHandler<*>::ServerCallbackWriterImpl\n"
      // What a call was started with is freed by the thread that takes its last reference, after
      // the callbacks that used it have returned: a counter, too. Frees a std::function of gRPC's
      // own.
      "race:grpc::internal::CallbackWithSuccessTag::~CallbackWithSuccessTag\n"
      // OnDone follows the last of a call's reactions: a counter, which a call that is cancelled
      // may lower last within the library (ServerCallbackCall::CallOnCancel). Only what freeing the
      // reactor then touches is meant.
      "race:strided::GenerateReactor::~GenerateReactor\n"
      "race:strided::ScoreReactor::~ScoreReactor\n"
      // Server::Shutdown returns once every call has been let go of, after its OnDone: a counter,
      // decremented by whichever thread ended the call (Server::UnrefWithPossibleNotify). Only what
      // these destructors free is meant.
      "race:strided::SamplingService::~SamplingService\n";
}

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}  // extern "C"
