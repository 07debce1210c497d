// Small files of the layout that distribution-augmentation runs leave.

#ifndef STRIDED_TESTS_ENGINE_CHECKPOINT_DISTAUG_FILE_H_
#define STRIDED_TESTS_ENGINE_CHECKPOINT_DISTAUG_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/checkpoint/distaug_layout.h"
#include "tests/testing/npz_writer.h"

namespace strided {

// Name in the file, e.g. "model/we/Ema/ema:0", and shape.
using DistaugShapes = std::map<std::string, std::vector<int64_t>>;

// Two layers, d_model 4, keys of 2 and values of 4 numbers, d_ff 8, vocabulary 3, an image of
// 2 x 2 x 3; averages and, with a wrong shape that nobody may look at, optimizer's slots and the
// last step's weights; a counter.
DistaugShapes SmallDistaugShapes();

// Two heads, strided then local, l = 6.
DistaugLayout SmallDistaugLayout();

// A file of arrays of these shapes. Element i of an array is i / 64, plus a number that differs
// from array to array.
std::string DistaugFile(const DistaugShapes& shapes);

// The value that DistaugFile gives to element `index` of the array `name`.
float DistaugValue(const std::string& name, int64_t index);

}  // namespace strided

#endif  // STRIDED_TESTS_ENGINE_CHECKPOINT_DISTAUG_FILE_H_
