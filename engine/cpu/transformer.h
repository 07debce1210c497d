// The Sparse Transformer, one step at a time.
//
// Child et al. 2019, section 5.2, pre-norm residual blocks, with H the rows of a step:
//   H_0     = embed(x, position)                                     (section 5.3)
//   H_l    += O attend(norm(H_l))        a_l; each head reads S_i    (sections 4.1 to 4.3)
//   H_l+1   = H_l + down(f(up(norm(H_l))))                           b_l
//   logits  = head(norm(H_N))
//
// A row is one position of one sequence. Every row's arithmetic has an order of its own, which
// depends neither on the other rows nor on the number of threads (kernels.h).

#ifndef STRIDED_ENGINE_CPU_TRANSFORMER_H_
#define STRIDED_ENGINE_CPU_TRANSFORMER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/cpu/attention.h"
#include "engine/cpu/batch.h"
#include "engine/cpu/division.h"
#include "engine/cpu/kernels/aligned_array.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/network.h"
#include "engine/cpu/thread_team.h"
#include "engine/model/config.h"

namespace strided {

// Used by one thread at a time. Everything that a step needs is allocated at creation.
class Transformer {
  class Passkey {  // leaves construction to Create
    friend class Transformer;
    Passkey() = default;
  };

 public:
  // What is done with row outputs[index]'s logits [vocab]; called once for each index. Those of one
  // sequence come in order from one thread of the team, those of others meanwhile from others.
  using LogitsSink = absl::FunctionRef<void(int index, std::span<const float> logits)>;

  struct Options {
    int threads = 1;
    int max_rows = 1;  // of a batch
  };

  // ResourceExhausted where memory for the rows does not suffice. `config` outlives the result.
  static absl::StatusOr<std::unique_ptr<Transformer>> Create(const ModelConfig& config,
                                                             Network network,
                                                             const Kernels& kernels,
                                                             const Options& options);

  Transformer(Passkey, const ModelConfig& config, Network network, const Kernels& kernels,
              const Options& options);

  // The start vector [d_model] of a sequence: `start`, or the sum of one row per condition; zeros
  // where the model has none.
  // Requires one value for each condition, within its range. Allocates, so it is no part of a step.
  std::vector<float> StartVector(std::span<const int> condition_values) const;

  // Runs every row: keys and values go into the caches, logits into `sink`. Requires 1 to max_rows
  // rows, whose inputs and positions fit the model.
  void Run(const Batch& batch, LogitsSink sink);

  // Lives as long as the object.
  const Network& network() const { return network_; }
  // Of the team, the caller of Run among them.
  int threads() const { return team_.size(); }

 private:
  // What one thread of the team works with.
  struct Member {
    int index = 0;
    const Batch* batch = nullptr;
    Division part;                    // of the batch
    AlignedArray<float> row;          // one row of activations
    AlignedArray<std::byte> encoded;  // [max_rows][encoded_stride_]
    AlignedArray<float> scales;       // [max_rows]
    std::unique_ptr<Attention> attention;
    FetchList* ahead = nullptr;  // the next attention's, of `attention`
    FetchList after{2};          // what the next product reads, for waits
  };
  // Where a product goes, and what the same thread will read after it.
  struct Product {
    const ActivationRows& out;
    bool add = false;
    const PackedMatrix* next = nullptr;
    const NormWeights* norm = nullptr;  // before `next`; may be null
  };
  // Gives a row of activations, in `member.row` or elsewhere, to be encoded.
  using RowSource = absl::FunctionRef<const float*(int row)>;
  // Rows of a product, encoded.
  struct Input {
    EncodedRows encoded;
    Range rows;
  };

  // False where memory does not suffice.
  bool Allocate();

  void RunMember(Member& member, LogitsSink sink);
  void Embed(Member& member);
  void RunLayer(Member& member, int index);
  // Waits for the team, and meanwhile fetches what the next product reads.
  void Meet(Member& member) { team_.Barrier(&member.after); }
  // The same where members have made different outputs of the same rows.
  void MeetAfterProduct(Member& member);
  void Predict(Member& member, LogitsSink sink);

  const float* Normed(Member& member, const NormWeights& norm, const float* row);
  Input Encode(Member& member, const PackedMatrix& matrix, Range rows, RowSource source);
  Range PanelsOf(const Member& member, const PackedMatrix& matrix) const;
  void Multiply(Member& member, const PackedMatrix& matrix, const Input& input, const Product& to);
  // The first matrix after layer `index`, and the norm before it, which may be null.
  const PackedMatrix* AfterLayer(int index) const;
  const NormWeights* NormAfterLayer(int index) const;
  void ActivateShare(const Member& member, const PackedMatrix& matrix);

  const ModelConfig& config_;
  const Network network_;
  const Kernels kernels_;
  const int max_rows_;

  size_t encoded_stride_ = 0;        // bytes
  AlignedArray<float> activations_;  // what the next five point into
  ActivationRows hidden_;            // H: [d_model]
  ActivationRows qkv_;               // [head][query, key, value]
  ActivationRows mixed_;             // [head][d_value]: what attention gives
  ActivationRows expanded_;          // [d_ff]
  ActivationRows logits_;            // [vocab], by output
  AlignedArray<std::byte> encoded_;  // [max_rows][encoded_stride_]
  AlignedArray<float> scales_;       // [max_rows]
  std::vector<Member> members_;

  ThreadTeam team_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_TRANSFORMER_H_
