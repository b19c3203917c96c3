// A chat model in a folder: 256 byte tokens, four special tokens and a template, so that everything from
// messages to streamed text runs without any file from elsewhere. Its weights are random, or made so that it
// always gives one answer.
#pragma once

#include <cmath>
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

  struct Options {
    int64_t context = kContext;
    // Not empty: every answer is this text (with a space in it, or the decoder takes "ä" for a byte), and
    // after it the likeliest first tokens are "m" and then "M", with logits 3 and 2 under the answer's 30.
    // The text is a token of its own.
    std::string answer = {};
  };

  TinyChatModel() : TinyChatModel(Options()) {}
  explicit TinyChatModel(const Options& options) {
    Json vocab, added = Json::array();
    for (int byte = 0; byte < 256; ++byte) vocab[byte_symbol(byte)] = byte;
    const char* names[] = {"<|begin_of_text|>", "<|header|>", "<|eot_id|>", "<|end_of_text|>"};
    for (int32_t i = 0; i < 4; ++i) added.push_back(added_token(kBos + i, names[i]));
    if (!options.answer.empty()) {
      added.push_back(added_token(kAnswer, options.answer.c_str()));
      added.back()["special"] = false;
    }
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
    config.max_positions = options.context;
    config.bos_id = kBos;
    config.eos_ids = {kEndOfText};
    config.has_tied_head = config.has_tied_head && options.answer.empty();
    const Llama model = Llama::random(*device, config, DType::kBF16, 5);
    const std::vector<NamedTensor> tensors = named_tensors(model);
    if (!options.answer.empty()) script(tensors, config.hidden_size);
    save_checkpoint(folder_.path(), config, tensors);
  }

  std::string path() const { return folder_.path().string(); }
  void write(const std::string& name, const nlohmann::ordered_json& json) const {
    std::ofstream(folder_ / name) << json.dump();
  }

 private:
  using Json = nlohmann::ordered_json;

  static constexpr int32_t kAnswer = 260;

  // Layers that add nothing, and three kinds of tokens: the line end before an answer, the answer, all
  // others. The final norm makes sqrt(C) of the one element that tells the kind.
  static void script(const std::vector<NamedTensor>& tensors, int64_t hidden_size) {
    const double unit = 1 / std::sqrt(static_cast<double>(hidden_size));
    for (const NamedTensor& named : tensors) {
      const bool is_table = named.name == "model.embed_tokens.weight" || named.name == "lm_head.weight";
      if (named.name.ends_with("o_proj.weight") || named.name.ends_with("down_proj.weight") || is_table)
        for (int64_t i = 0; i < named.tensor.elements(); ++i) store_element(named.tensor, i, 0);
      const auto set = [&](int32_t token, int kind, double value) {
        store_element(named.tensor, token * hidden_size + kind, value);
      };
      if (named.name == "model.embed_tokens.weight")
        for (int32_t token = 0; token < kVocabSize; ++token)
          set(token, token == '\n' ? 1 : token == kAnswer ? 2 : 0, 1);
      if (named.name == "lm_head.weight") {
        set(kAnswer, 1, 30 * unit);
        set('m', 1, 3 * unit);
        set('M', 1, 2 * unit);
        set(kEndOfTurn, 0, 30 * unit);
        set(kEndOfTurn, 2, 30 * unit);
      }
    }
  }

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
