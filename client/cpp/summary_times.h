// The times of a Summary that several streams have made together.

#ifndef STRIDED_CLIENT_CPP_SUMMARY_TIMES_H_
#define STRIDED_CLIENT_CPP_SUMMARY_TIMES_H_

#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Of streams side by side: the longer of each time, preemptions added. Token counts are left out,
// here and below.
v1::Summary LongestTimes(const v1::Summary& a, const v1::Summary& b);

// Of streams one after the other: each time added but for the time to the first token, which is
// `first`'s; preemptions added.
v1::Summary TimesInTurn(const v1::Summary& first, const v1::Summary& then);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_SUMMARY_TIMES_H_
