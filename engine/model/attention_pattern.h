// Which earlier positions each position attends to, for one attention head.
//
// Child et al. 2019, "Generating Long Sequences with Sparse Transformers",
// sections 4.2 and 4.3, with the names of the released code. Positions index one
// flattened sequence, from 0. Every pattern is causal.
//
// | kind           | keys j that query i reads                    | paper            |
// | dense          | j <= i                                       | 4.1              |
// | local          | i - w < j <= i                               | strided, A(1)    |
// | strided        | (i - j) mod l = 0                            | strided, A(2)    |
// | local_strided  | union of local(l) and strided(l)             | strided, merged  |
// | block          | floor(j / l) = floor(i / l)                  | fixed, A(1)      |
// | summary        | o <= j mod l < o + c, o = l - c(1 + h mod s) | fixed, A(2)      |
// | fixed          | union of block and summary                   | fixed, merged    |
// | previous_block | floor(j / l) = floor(i / l) - 1              | Jukebox          |

#ifndef STRIDED_ENGINE_MODEL_ATTENTION_PATTERN_H_
#define STRIDED_ENGINE_MODEL_ATTENTION_PATTERN_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

enum class PatternKind {
  kDense,
  kLocal,
  kStrided,
  kLocalStrided,
  kBlock,
  kSummary,
  kFixed,
  kPreviousBlock,
};

// The name used in config.json, e.g. "local_strided".
absl::string_view PatternName(PatternKind kind);
// InvalidArgument with the list of names if `name` is none of them.
absl::StatusOr<PatternKind> PatternKindFromName(absl::string_view name);

// The largest window or stride, tokens: sums of a position and two spans fit an int.
inline constexpr int kMaxPatternSpan = 1 << 26;

// Immutable and cheap to copy; safe to share between threads. The parameters that a kind does
// not use are 0.
class AttentionPattern {
 public:
  struct Spec {
    PatternKind kind = PatternKind::kDense;
    int window = 0;  // w, tokens: local
    int stride = 0;  // l, tokens: all but dense and local
    int cells = 0;   // c, tokens: summary and fixed
    int spread = 0;  // s, heads: summary and fixed; heads h and h + s share their cells
    int head = 0;    // h, this head's index within its layer
  };

  // InvalidArgument where a parameter is missing, superfluous or out of range: window, stride,
  // cells, spread in [1, kMaxPatternSpan] where used, cells * spread <= stride, head >= 0. The
  // text starts with the parameter's name, so that a caller can put a path before it.
  static absl::StatusOr<AttentionPattern> Create(const Spec& spec);

  const Spec& spec() const { return spec_; }
  PatternKind kind() const { return spec_.kind; }

  // o, the first summary cell's offset within a block. Requires kind summary or fixed.
  int summary_offset() const;

  // Requires 0 <= key <= query.
  bool Attends(int query, int key) const;

  // The positions that `query` attends to, ascending; may be empty for summary and
  // previous_block. Linear in the number of keys; for tests and reference code.
  std::vector<int> KeysOf(int query) const;

  // Whether `key`, once query `step` is done, will be read again before the sequence's end:
  // by any query in (step, length). Requires 0 <= key <= step < length.
  bool KeptAfter(int key, int step, int length) const;

  // Two heads with equal patterns read the same positions at every query.
  friend bool operator==(const AttentionPattern& a, const AttentionPattern& b);

 private:
  explicit AttentionPattern(const Spec& spec) : spec_(spec) {}

  // Whether `key` is one of its block's summary cells. Requires kind summary or fixed.
  bool IsSummaryCell(int key) const;

  Spec spec_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_ATTENTION_PATTERN_H_
