// Tells ThreadSanitizer what absl's locks order.
//
// A distribution's Abseil is not built with -fsanitize=thread, so the sanitizer does not see its
// locks and reports every access that they protect. These definitions stand before the library's:
// each tells what happens before what, and calls the library's own. Linked into every program of
// the tsan preset, and into nothing else.
//
// What a lock orders is shared by readers, as if each wrote: a race between two holders of a reader
// lock is not found.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

#include "absl/base/config.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

// The library's definition of the function that calls this.
[[gnu::noinline]] void* LibraryDefinition() {
  Dl_info caller;
  if (dladdr(__builtin_return_address(0), &caller) == 0) std::abort();
  void* const definition = dlsym(RTLD_NEXT, caller.dli_sname);
  if (definition == nullptr) std::abort();
  return definition;
}

// While one of absl's functions runs: conditions of other threads are evaluated by whoever gives
// the lock up, and the sanitizer takes these reads for unordered ones.
class WithoutReads {
 public:
  WithoutReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~WithoutReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

template <typename Result, typename... Arguments>
Result Call(void* function, Arguments... arguments) {
  const WithoutReads quiet;
  return reinterpret_cast<Result (*)(Arguments...)>(function)(arguments...);
}

void Acquired(const void* lock) { __tsan_acquire(const_cast<void*>(lock)); }
void Releases(const void* lock) { __tsan_release(const_cast<void*>(lock)); }

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static void* const kLibrary = LibraryDefinition();
  Call<void>(kLibrary, this);
  Acquired(this);
}

void Mutex::Unlock() {
  static void* const kLibrary = LibraryDefinition();
  Releases(this);
  Call<void>(kLibrary, this);
}

bool Mutex::TryLock() {
  static void* const kLibrary = LibraryDefinition();
  const bool locked = Call<bool>(kLibrary, this);
  if (locked) Acquired(this);
  return locked;
}

void Mutex::ReaderLock() {
  static void* const kLibrary = LibraryDefinition();
  Call<void>(kLibrary, this);
  Acquired(this);
}

void Mutex::ReaderUnlock() {
  static void* const kLibrary = LibraryDefinition();
  Releases(this);
  Call<void>(kLibrary, this);
}

void Mutex::LockWhen(const Condition& condition) {
  static void* const kLibrary = LibraryDefinition();
  Call<void>(kLibrary, this, &condition);
  Acquired(this);
}

void Mutex::Await(const Condition& condition) {
  static void* const kLibrary = LibraryDefinition();
  Releases(this);
  Call<void>(kLibrary, this, &condition);
  Acquired(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static void* const kLibrary = LibraryDefinition();
  Releases(this);
  const bool holds = Call<bool>(kLibrary, this, &condition, timeout);
  Acquired(this);
  return holds;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static void* const kLibrary = LibraryDefinition();
  Releases(this);
  const bool holds = Call<bool>(kLibrary, this, &condition, deadline);
  Acquired(this);
  return holds;
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static void* const kLibrary = LibraryDefinition();
  const bool holds = Call<bool>(kLibrary, this, &condition, timeout);
  Acquired(this);
  return holds;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static void* const kLibrary = LibraryDefinition();
  const bool holds = Call<bool>(kLibrary, this, &condition, deadline);
  Acquired(this);
  return holds;
}

void CondVar::Wait(Mutex* mutex) {
  static void* const kLibrary = LibraryDefinition();
  Releases(mutex);
  Call<void>(kLibrary, this, mutex);
  Acquired(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static void* const kLibrary = LibraryDefinition();
  Releases(mutex);
  const bool timed_out = Call<bool>(kLibrary, this, mutex, timeout);
  Acquired(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static void* const kLibrary = LibraryDefinition();
  Releases(mutex);
  const bool timed_out = Call<bool>(kLibrary, this, mutex, deadline);
  Acquired(mutex);
  return timed_out;
}

void Notification::Notify() {
  static void* const kLibrary = LibraryDefinition();
  Releases(this);
  Call<void>(kLibrary, this);
}

void Notification::WaitForNotification() const {
  static void* const kLibrary = LibraryDefinition();
  Call<void>(kLibrary, this);
  Acquired(this);
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static void* const kLibrary = LibraryDefinition();
  const bool notified = Call<bool>(kLibrary, this, timeout);
  Acquired(this);
  return notified;
}

bool BlockingCounter::DecrementCount() {
  static void* const kLibrary = LibraryDefinition();
  Releases(this);
  const bool last = Call<bool>(kLibrary, this);
  if (last) Acquired(this);
  return last;
}

void BlockingCounter::Wait() {
  static void* const kLibrary = LibraryDefinition();
  Call<void>(kLibrary, this);
  Acquired(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
