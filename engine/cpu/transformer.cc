#include "engine/cpu/transformer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace strided {
namespace {

// Rows of a thread from which a product is bound by its arithmetic, so that reading the weights
// once for each thread costs less than meeting after each product. Weights of four bytes take
// longer to read (README.md has the measurement).
int FewestRowsOfAThread(ProductForm form) { return form == ProductForm::kFloat32 ? 8 : 4; }

// Up to this many rows, each member turns all of them into a product's input form; beyond it, they
// share the rows, for the price of one more barrier.
constexpr int kRowsThatEachMemberEncodes = 4;

// Rows a power of two apart would share a few sets of the first cache; a line more spreads them.
constexpr size_t kLineBytes = 64;
constexpr size_t kStridePadding = kLineBytes / sizeof(float);

void Fetch(const AlignedArray<float>& values) {
  constexpr size_t kLineFloats = kLineBytes / sizeof(float);
  for (size_t i = 0; i < values.size(); i += kLineFloats) __builtin_prefetch(&values[i], 0, 2);
}

}  // namespace

Transformer::Transformer(Passkey, const ModelConfig& config, Network network,
                         const Kernels& kernels, const Options& options)
    : config_(config),
      network_(std::move(network)),
      kernels_(kernels),
      max_rows_(options.max_rows),
      members_(static_cast<size_t>(options.threads)),
      team_(options.threads) {}

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Create(const ModelConfig& config,
                                                                 Network network,
                                                                 const Kernels& kernels,
                                                                 const Options& options) {
  auto transformer =
      std::make_unique<Transformer>(Passkey(), config, std::move(network), kernels, options);
  if (!transformer->Allocate()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for the activations of ", options.max_rows, " rows"));
  }
  return transformer;
}

bool Transformer::Allocate() {
  const auto rows = static_cast<size_t>(max_rows_);
  struct Stage {
    ActivationRows* rows;
    int width;
  };
  const Stage stages[] = {{&hidden_, config_.d_model},
                          {&qkv_, config_.n_head * HeadWidth(config_)},
                          {&mixed_, config_.n_head * config_.d_value},
                          {&expanded_, config_.d_ff},
                          {&logits_, config_.vocab_size}};
  size_t floats = 0;
  for (const Stage& stage : stages) {
    stage.rows->stride = static_cast<size_t>(PanelPadded(stage.width)) + kStridePadding;
    floats += rows * stage.rows->stride;
  }
  activations_ = AlignedArray<float>::Zeros(floats);
  if (activations_.null()) return false;
  float* next = activations_.data();
  for (const Stage& stage : stages) {
    stage.rows->values = next;
    next += rows * stage.rows->stride;
  }
  const size_t widest = std::max({hidden_.stride, mixed_.stride, expanded_.stride});
  const int input_bytes = std::max(InputBytesOf(network_.head.form()),
                                   InputBytesOf(network_.layers.front().down.form()));
  encoded_stride_ = widest * static_cast<size_t>(input_bytes) + kLineBytes;
  encoded_ = AlignedArray<std::byte>::Zeros(rows * encoded_stride_);
  scales_ = AlignedArray<float>::Zeros(rows);
  bool all = !encoded_.null() && !scales_.null();
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    member.index = static_cast<int>(i);
    member.row = AlignedArray<float>::Zeros(widest);
    member.encoded = AlignedArray<std::byte>::Zeros(rows * encoded_stride_);
    member.scales = AlignedArray<float>::Zeros(rows);
    member.attention =
        std::make_unique<Attention>(config_, kernels_, network_.head.form(), max_rows_);
    all = all && !member.row.null() && !member.encoded.null() && !member.scales.null();
  }
  return all;
}

std::vector<float> Transformer::StartVector(std::span<const int> condition_values) const {
  std::vector<float> start(static_cast<size_t>(config_.d_model));
  if (!config_.has_start_vector) return start;  // never read
  if (config_.conditions.empty()) network_.start.AddRow(0, start.data());
  for (size_t i = 0; i < config_.conditions.size(); ++i) {
    network_.conditions[i].AddRow(condition_values[i], start.data());
  }
  return start;
}

void Transformer::Run(const Batch& batch, LogitsSink sink) {
  const TeamShape shape = {.threads = team_.size(),
                           .heads = config_.n_head,
                           .fewest_rows = FewestRowsOfAThread(network_.head.form())};
  for (Member& member : members_) {
    member.batch = &batch;
    member.part = DivideStep(batch, shape, member.index);
  }
  team_.Run([this, sink](int index) { RunMember(members_[static_cast<size_t>(index)], sink); });
}

void Transformer::RunMember(Member& member, LogitsSink sink) {
  Embed(member);
  member.ahead = &member.attention->Ahead(*member.batch, member.part, 0);
  MeetAfterProduct(member);
  for (int layer = 0; layer < config_.n_layer; ++layer) RunLayer(member, layer);
  if (!member.batch->outputs.empty()) Predict(member, sink);
}

void Transformer::MeetAfterProduct(Member& member) {
  if (!member.part.by_rows) Meet(member);
}

// Section 5.3: token embedding plus one learned row per axis of the position.
void Transformer::Embed(Member& member) {
  const auto width = static_cast<size_t>(config_.d_model);
  const bool previous = config_.position_rule == PositionRule::kPrevious;
  const Range mine = member.part.by_rows
                         ? member.part.rows
                         : ShareOf(member.part.rows.end, team_.size(), member.index);
  for (const SequenceRun& run : member.batch->runs) {
    for (int r = run.first_row; r < run.first_row + run.rows; ++r) {
      if (!mine.Holds(r)) continue;
      const StepRow& row = member.batch->rows[static_cast<size_t>(r)];
      float* const h = hidden_.row(r);
      std::fill_n(h, width, 0.0f);
      if (row.input == kStartInput) {
        std::copy_n(run.start, width, h);
        if (previous) continue;  // the start vector has no position
      } else {
        network_.token_embedding.AddRow(row.input, h);
      }
      int64_t rest = previous ? row.position - 1 : row.position;
      int64_t cells = 1;  // of the axes within this one
      for (const int size : config_.position_axes) cells *= size;
      for (size_t axis = 0; axis < config_.position_axes.size(); ++axis) {
        cells /= config_.position_axes[axis];
        network_.position_embedding[axis].AddRow(rest / cells, h);
        rest %= cells;
      }
    }
  }
}

// One residual block. Members meet where one needs what another has made (division.h).
void Transformer::RunLayer(Member& member, int index) {
  const LayerWeights& layer = network_.layers[static_cast<size_t>(index)];
  const Division& part = member.part;

  // q, k, v = W norm(H)
  const Input attn_in = Encode(member, layer.qkv, part.rows, [&](int row) {
    return Normed(member, layer.attn_norm, hidden_.row(row));
  });
  Multiply(member, layer.qkv, attn_in, {qkv_, /*add=*/false, &layer.out});
  if (part.meet_before_attention) Meet(member);

  // attend(q, K_S, V_S)
  member.attention->Run(*member.batch, part, index, qkv_, mixed_);
  member.ahead = &member.attention->Ahead(*member.batch, part, index + 1);
  if (part.meet_after_attention) Meet(member);

  // H += O attend(norm(H))
  const Input mixed =
      Encode(member, layer.out, part.rows, [&](int row) { return mixed_.row(row); });
  Multiply(member, layer.out, mixed, {hidden_, /*add=*/true, &layer.up, &layer.mlp_norm});
  MeetAfterProduct(member);

  // f(up(norm(H)))
  const Input mlp_in = Encode(member, layer.up, part.rows, [&](int row) {
    return Normed(member, layer.mlp_norm, hidden_.row(row));
  });
  Multiply(member, layer.up, mlp_in, {expanded_, /*add=*/false, &layer.down});
  ActivateShare(member, layer.up);
  MeetAfterProduct(member);

  // H += down(f(up(norm(H))))
  const Input expanded =
      Encode(member, layer.down, part.rows, [&](int row) { return expanded_.row(row); });
  Multiply(member, layer.down, expanded,
           {hidden_, /*add=*/true, AfterLayer(index), NormAfterLayer(index)});
  MeetAfterProduct(member);
}

// logits = head(norm(H)), for the rows that want them.
void Transformer::Predict(Member& member, LogitsSink sink) {
  const Batch& batch = *member.batch;
  const Input input = Encode(member, network_.head, member.part.outputs, [&](int output) {
    const float* const row = hidden_.row(batch.outputs[static_cast<size_t>(output)]);
    return network_.final_norm.has_value() ? Normed(member, *network_.final_norm, row) : row;
  });
  Multiply(member, network_.head, input, {logits_, /*add=*/false, AfterLayer(-1)});
  // Each sequence's outputs go to one member, which may not have made all of them.
  if (member.part.meet_after_attention) Meet(member);
  const int count = static_cast<int>(batch.outputs.size());
  const Range mine = member.part.meet_after_attention ? ShareOf(count, team_.size(), member.index)
                                                      : member.part.outputs;
  for (const SequenceRun& run : batch.runs) {
    if (run.outputs == 0 || !mine.Holds(run.first_output)) continue;
    for (int output = run.first_output; output < run.first_output + run.outputs; ++output) {
      sink(output, {logits_.row(output), static_cast<size_t>(config_.vocab_size)});
    }
  }
}

const float* Transformer::Normed(Member& member, const NormWeights& norm, const float* row) {
  NormTask task;
  task.in = row;
  task.weight = norm.weight.data();
  task.bias = norm.bias.data();
  task.width = config_.d_model;
  task.epsilon = norm.epsilon;
  task.norm = config_.norm;
  task.out = member.row.data();
  kernels_.normalise(task);
  return member.row.data();
}

// `rows` of `source` as inputs of `matrix`. Members that need the same rows share the work where
// that is worth a barrier.
Transformer::Input Transformer::Encode(Member& member, const PackedMatrix& matrix, Range rows,
                                       RowSource source) {
  const Kernels::Encode encode = kernels_.encode[static_cast<size_t>(matrix.form())];
  const bool share =
      !member.part.by_rows && rows.size() > kRowsThatEachMemberEncodes && team_.size() > 1;
  const Range mine = share ? ShareOf(rows.size(), team_.size(), member.index) : rows;
  std::byte* const encoded = share ? encoded_.data() : member.encoded.data();
  float* const scales = share ? scales_.data() : member.scales.data();
  for (int row = mine.begin; row < mine.end; ++row) {
    scales[row] =
        encode(source(row), matrix.inputs(), encoded + static_cast<size_t>(row) * encoded_stride_);
  }
  if (share) Meet(member);
  const auto first = static_cast<size_t>(rows.begin);
  return {{encoded + first * encoded_stride_, encoded_stride_, scales + first}, rows};
}

Range Transformer::PanelsOf(const Member& member, const PackedMatrix& matrix) const {
  if (member.part.by_rows) return {0, matrix.panels()};
  return ShareOf(matrix.panels(), team_.size(), member.index);
}

// The member's share of `to.out` = (or +=) `matrix` times each row.
void Transformer::Multiply(Member& member, const PackedMatrix& matrix, const Input& input,
                           const Product& to) {
  const Range panels = PanelsOf(member, matrix);
  if (to.norm != nullptr) {
    Fetch(to.norm->weight);
    Fetch(to.norm->bias);
  }
  ProductTask task;
  task.matrix = &matrix;
  task.first_panel = panels.begin;
  task.last_panel = panels.end;
  task.input = input.encoded;
  task.rows = input.rows.size();
  task.out = to.out.row(input.rows.begin);
  task.out_stride = to.out.stride;
  task.add = to.add;
  const Range next = PanelsOf(member, *to.next);
  task.next = to.next->panel(next.begin);
  member.after.Clear();
  const size_t next_bytes = static_cast<size_t>(next.size()) * to.next->panel_bytes();
  const size_t fetched = std::min(task.Ahead(), next_bytes);  // by this product's kernel
  member.after.Add({task.next + fetched, next_bytes - fetched});
  task.aside = member.ahead;
  kernels_.product[static_cast<size_t>(matrix.form())](task);
}

const PackedMatrix* Transformer::AfterLayer(int index) const {
  const auto next = static_cast<size_t>(index) + 1;
  return next < network_.layers.size() ? &network_.layers[next].qkv : &network_.head;
}

const NormWeights* Transformer::NormAfterLayer(int index) const {
  const auto next = static_cast<size_t>(index) + 1;
  if (next < network_.layers.size()) return &network_.layers[next].attn_norm;
  return network_.final_norm.has_value() ? &*network_.final_norm : nullptr;
}

// f of what the member's Multiply has just made.
void Transformer::ActivateShare(const Member& member, const PackedMatrix& matrix) {
  const Range panels = PanelsOf(member, matrix);
  for (int row = member.part.rows.begin; row < member.part.rows.end; ++row) {
    kernels_.activate(config_.activation,
                      expanded_.row(row) + ptrdiff_t{panels.begin} * kPanelWidth,
                      panels.size() * kPanelWidth);
  }
}

}  // namespace strided
