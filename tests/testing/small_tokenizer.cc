#include "tests/testing/small_tokenizer.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/text/byte_alphabet.h"

namespace strided {

nlohmann::json SmallTokenizer() {
  nlohmann::json vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[CharacterOf(static_cast<uint8_t>(byte))] = byte;
  vocab["th"] = 256;
  vocab["the"] = 257;
  const std::string space = CharacterOf(' ');
  vocab[space + "the"] = 258;
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"normalizer", nullptr},
          {"added_tokens", {{{"id", 299}, {"content", "<|end|>"}, {"special", true}}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocab},
            {"merges", {"t h", "th e", nlohmann::json::array({space, "the"})}}}}};
}

}  // namespace strided
