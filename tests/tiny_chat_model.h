// A chat model of random weights in a folder: 256 byte tokens, four special tokens and a template, so that
// everything from messages to streamed text runs without any file from elsewhere.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "tests/model/golden_model.h"
#include "tests/scratch_folder.h"
#include "text/unicode.h"

namespace poro {

class TinyChatModel {
 public:
  static constexpr int32_t kBos = 256, kHeader = 257, kEndOfTurn = 258, kEndOfText = 259;
  static constexpr int32_t kVocabSize = 264;  // A few more than there are tokens, as padded checkpoints have.
  static constexpr int64_t kContext = 192;

  TinyChatModel() {
    Json vocab, added = Json::array();
    for (int byte = 0; byte < 256; ++byte) vocab[byte_symbol(byte)] = byte;
    const char* names[] = {"<|begin_of_text|>", "<|header|>", "<|eot_id|>", "<|end_of_text|>"};
    for (int32_t i = 0; i < 4; ++i) added.push_back(added_token(kBos + i, names[i]));
    write(
        "tokenizer.json",
        {{"version", "1.0"},
         {"added_tokens", added},
         {"normalizer", nullptr},
         {"pre_tokenizer",
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
         {"post_processor", nullptr},
         {"decoder", {{"type", "ByteLevel"}}},
         {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}});
    write("tokenizer_config.json", {{"bos_token", names[0]},
                                    {"eos_token", names[3]},
                                    {"chat_template",
                                     "{{ bos_token }}{% for m in messages %}<|header|>{{ m.role }}\n{{ "
                                     "m.content | trim }}<|eot_id|>{% endfor %}"
                                     "{% if add_generation_prompt %}<|header|>assistant\n{% endif %}"}});
    const auto device = Device::cpu(1);
    LlamaConfig config = LlamaConfig::named_shape("tiny");
    config.vocab_size = kVocabSize;
    config.max_positions = kContext;
    config.bos_id = kBos;
    config.eos_ids = {kEndOfText};
    const Llama model = Llama::random(*device, config, DType::kBF16, 5);
    save_checkpoint(folder_.path(), config, named_tensors(model));
  }

  std::string path() const { return folder_.path().string(); }
  void write(const std::string& name, const nlohmann::ordered_json& json) const {
    std::ofstream(folder_ / name) << json.dump();
  }

 private:
  using Json = nlohmann::ordered_json;

  // How byte-level vocabularies spell a byte: itself when it prints, else the next free character from U+0100
  // on.
  static std::string byte_symbol(int byte) {
    const auto prints = [](int b) { return (b > 0x20 && b < 0x7F) || (b > 0xA0 && b < 0x100 && b != 0xAD); };
    char32_t code_point = static_cast<char32_t>(byte);
    if (!prints(byte)) {
      code_point = 0x100;
      for (int other = 0; other < byte; ++other) code_point += prints(other) ? 0 : 1;
    }
    std::string symbol;
    append_utf8(symbol, code_point);
    return symbol;
  }
  static Json added_token(int32_t id, const char* content) {
    return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", false}, {"special", true}};
  }

  ScratchFolder folder_;
};

}  // namespace poro
