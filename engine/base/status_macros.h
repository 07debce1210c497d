// Early return on errors, for functions that return absl::Status or absl::StatusOr.
//
//   RETURN_IF_ERROR(CheckShape(tensor));
//   ASSIGN_OR_RETURN(Weights weights, Weights::Load(path, config));

#ifndef STRIDED_ENGINE_BASE_STATUS_MACROS_H_
#define STRIDED_ENGINE_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function with the status of `expression`, an absl::Status, unless it is
// OK. Evaluates it once.
#define RETURN_IF_ERROR(expression)                    \
  do {                                                 \
    absl::Status strided_status_ = (expression);       \
    if (!strided_status_.ok()) return strided_status_; \
  } while (false)

// Moves the value of `expression`, an absl::StatusOr, into `declaration` (a new variable or an old
// one), or returns its status. Evaluates it once. Two statements: not for an `if` without braces.
#define ASSIGN_OR_RETURN(declaration, expression) \
  STRIDED_ASSIGN_OR_RETURN_(STRIDED_CONCAT_(strided_status_or_, __LINE__), declaration, expression)

// For the two above; the line's number keeps the names of two uses apart.
#define STRIDED_ASSIGN_OR_RETURN_(result, declaration, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) return std::move(result).status();             \
  declaration = std::move(result).value()

#define STRIDED_CONCAT_(a, b) STRIDED_CONCAT_INNER_(a, b)
#define STRIDED_CONCAT_INNER_(a, b) a##b

#endif  // STRIDED_ENGINE_BASE_STATUS_MACROS_H_
