#include "engine/cpu/kernels/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/cpu/kernels/bfloat16.h"

namespace strided {
namespace {

size_t ElementBytesOf(ProductForm form) {
  if (form == ProductForm::kFloat32) return 4;
  return IsInt8(form) ? 1 : 2;
}

size_t HeadBytes(ProductForm form) {
  const size_t values = IsInt8(form) ? 3 : 1;  // of an output, four bytes each
  return values * kPanelWidth * 4;
}

// Without the head.
size_t PanelWeightBytes(ProductForm form, int inputs) {
  const int depth = DepthOf(form);
  const int padded_inputs = (inputs + depth - 1) / depth * depth;
  return static_cast<size_t>(padded_inputs) * kPanelWidth * ElementBytesOf(form);
}

size_t PanelsOf(int outputs) { return static_cast<size_t>(PanelPadded(outputs) / kPanelWidth); }

float ScaleOfRow(const Tensor& tensor, int row) {
  float scale;
  std::memcpy(&scale, tensor.scales.data() + static_cast<size_t>(row) * sizeof scale, sizeof scale);
  return scale;
}

}  // namespace

int DepthOf(ProductForm form) {
  switch (form) {
    case ProductForm::kFloat32:
      return 1;
    case ProductForm::kInt8Quads:
      return 4;
    default:
      return 2;
  }
}

int InputBytesOf(ProductForm form) {
  switch (form) {
    case ProductForm::kFloat32:
    case ProductForm::kBfloat16Wide:
      return 4;
    case ProductForm::kBfloat16Dot:
    case ProductForm::kInt8Pairs:
      return 2;
    case ProductForm::kInt8Quads:
      return 1;
  }
  return 0;
}

bool IsInt8(ProductForm form) {
  return form == ProductForm::kInt8Pairs || form == ProductForm::kInt8Quads;
}

std::byte* WeightArena::Take(size_t bytes) {
  std::byte* const start = memory_.data() + used_;
  used_ += Rounded(bytes);
  std::memset(start, 0, Rounded(bytes));
  return start;
}

size_t PackedMatrix::WeightBytes(ProductForm form, int outputs, int inputs) {
  return PanelsOf(outputs) * PanelWeightBytes(form, inputs);
}

size_t PackedMatrix::ArenaBytes(ProductForm form, int outputs, int inputs) {
  const size_t panel_bytes = HeadBytes(form) + PanelWeightBytes(form, inputs);
  return WeightArena::Rounded(PanelsOf(outputs) * panel_bytes);
}

PackedMatrix PackedMatrix::Pack(ProductForm form, int outputs, std::span<const MatrixPart> parts,
                                WeightArena& arena) {
  PackedMatrix packed;
  packed.form_ = form;
  packed.outputs_ = outputs;
  packed.inputs_ = static_cast<int>(parts.front().weight->columns());
  packed.groups_ = (packed.inputs_ + DepthOf(form) - 1) / DepthOf(form);
  packed.head_bytes_ = HeadBytes(form);
  packed.panel_bytes_ = packed.head_bytes_ + PanelWeightBytes(form, packed.inputs_);
  packed.panels_ = arena.Take(PanelsOf(outputs) * packed.panel_bytes_);
  for (const MatrixPart& part : parts) {
    if (part.bias != nullptr) {
      std::vector<float> bias(static_cast<size_t>(part.bias->columns()));
      part.bias->ReadRow(0, bias);
      const float* const first = bias.data() + part.first_row;
      for (int row = 0; row < part.rows; ++row) {
        std::memcpy(packed.InHead(0, part.output + row), first + row, sizeof *first);
      }
    }
    std::vector<float> scratch(static_cast<size_t>(packed.inputs_));
    for (int row = 0; row < part.rows; ++row) packed.PackRow(part, row, scratch);
  }
  return packed;
}

std::byte* PackedMatrix::At(int output, int input) {
  const int depth = DepthOf(form_);
  const size_t index = static_cast<size_t>((input / depth * kPanelWidth + output % kPanelWidth)) *
                           static_cast<size_t>(depth) +
                       static_cast<size_t>(input % depth);
  return panels_ + static_cast<size_t>(output / kPanelWidth) * panel_bytes_ + head_bytes_ +
         index * ElementBytesOf(form_);
}

std::byte* PackedMatrix::InHead(int kind, int output) {
  const int index = kind * kPanelWidth + output % kPanelWidth;
  return panels_ + static_cast<size_t>(output / kPanelWidth) * panel_bytes_ +
         static_cast<size_t>(index) * 4;
}

void PackedMatrix::PackRow(const MatrixPart& part, int row, std::span<float> scratch) {
  if (IsInt8(form_)) return PackInt8Row(part, row, scratch);
  const int output = part.output + row;
  part.weight->ReadRow(part.first_row + row, scratch);
  for (int input = 0; input < inputs_; ++input) {
    const float value = scratch[static_cast<size_t>(input)];
    if (form_ == ProductForm::kFloat32) {
      std::memcpy(At(output, input), &value, sizeof value);
    } else {
      const Bfloat16 rounded = ToBfloat16(value);
      std::memcpy(At(output, input), &rounded, sizeof rounded);
    }
  }
}

void PackedMatrix::PackInt8Row(const MatrixPart& part, int row, std::span<float> scratch) {
  const int output = part.output + row;
  const int source = part.first_row + row;
  const bool stored = part.weight->dtype == DType::kInt8;
  const std::byte* const bytes =
      part.weight->data.data() + static_cast<size_t>(source) * static_cast<size_t>(inputs_);
  float scale = 0;
  if (stored) {
    scale = ScaleOfRow(*part.weight, source);
  } else {
    part.weight->ReadRow(source, scratch);
    float largest = 0;
    for (const float value : scratch) largest = std::max(largest, std::abs(value));
    scale = largest / 127.0f;
  }
  int32_t sum = 0;
  for (int input = 0; input < inputs_; ++input) {
    int8_t value = 0;
    if (stored) {
      value = static_cast<int8_t>(bytes[input]);
    } else if (scale > 0) {
      const float units = std::nearbyint(scratch[static_cast<size_t>(input)] / scale);
      value = static_cast<int8_t>(std::clamp(units, -127.0f, 127.0f));
    }
    sum += value;
    std::memcpy(At(output, input), &value, sizeof value);
  }
  std::memcpy(InHead(1, output), &scale, sizeof scale);
  const int32_t offset = form_ == ProductForm::kInt8Quads ? -128 * sum : 0;
  std::memcpy(InHead(2, output), &offset, sizeof offset);
}

}  // namespace strided
