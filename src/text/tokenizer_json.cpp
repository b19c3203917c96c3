// Reads tokenizer.json. Whatever it holds that would change ids and is not understood is an Error that names
// it.
#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/regex.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

namespace poro {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr size_t kMaxTokenBytes = 1 << 20;
constexpr int kMaxDepth = 8;  // Of Sequences inside Sequences.

class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) {}

  TokenizerParts read(std::string_view json) {
    simdjson::dom::parser parser;
    element document;
    if (const auto error = parser.parse(json.data(), json.size()).get(document))
      fail("{}: not valid JSON ({}); fetch the file again", name_, simdjson::error_message(error));
    const object root = as_object(document, "the file");
    const object model = as_object(required(root, "model", "the file"), "model");
    read_model(model);
    read_added_tokens(root);
    if (const auto normalizer = present(root, "normalizer"))
      read_normalizer(as_object(*normalizer, "normalizer"), 0);
    if (const auto pre_tokenizer = present(root, "pre_tokenizer"))
      read_pre_tokenizer(as_object(*pre_tokenizer, "pre_tokenizer"), 0);
    if (const auto decoder = present(root, "decoder")) check_decoder(as_object(*decoder, "decoder"), 0);
    if (const auto processor = present(root, "post_processor"))
      read_post_processor(as_object(*processor, "post_processor"), 0);
    return std::move(parts_);
  }

  std::string read_bos_token(std::string_view json) {
    simdjson::dom::parser parser;
    element document;
    if (const auto error = parser.parse(json.data(), json.size()).get(document))
      fail("{}: not valid JSON ({}); fetch the file again", name_, simdjson::error_message(error));
    const auto token = present(as_object(document, "the file"), "bos_token");
    if (!token) return {};
    if (token->is_object())
      return std::string(string_field(token->get_object().value_unsafe(), "content", "bos_token"));
    return std::string(as_string(*token, "bos_token"));
  }

 private:
  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }

  // Fields.
  std::optional<element> present(const object& parent, std::string_view key) const {
    element value;
    if (parent.at_key(key).get(value) || value.is_null()) return std::nullopt;
    return value;
  }
  element required(const object& parent, std::string_view key, std::string_view where) const {
    const auto value = present(parent, key);
    if (!value) bad("{} has no \"{}\"", where, key);
    return *value;
  }
  object as_object(const element& value, std::string_view what) const {
    if (!value.is_object()) bad("{} is not an object", what);
    return value.get_object().value_unsafe();
  }
  array as_array(const element& value, std::string_view what) const {
    if (!value.is_array()) bad("{} is not a list", what);
    return value.get_array().value_unsafe();
  }
  std::string_view as_string(const element& value, std::string_view what) const {
    if (!value.is_string()) bad("{} is not a string", what);
    return value.get_string().value_unsafe();
  }
  std::string_view string_field(const object& parent, std::string_view key, std::string_view where) const {
    return as_string(required(parent, key, where), fmt::format("\"{}\" of {}", key, where));
  }
  bool flag(const object& parent, std::string_view key, bool otherwise) const {
    const auto value = present(parent, key);
    if (!value) return otherwise;
    if (!value->is_bool()) bad("\"{}\" is neither true nor false", key);
    return value->get_bool().value_unsafe();
  }
  int32_t id_of(const element& value, std::string_view token) const {
    int64_t id = -1;
    if (value.get(id) || id < 0 || id > Bpe::kMaxId)
      bad("the id of token \"{}\" is not a whole number from 0 to {}", shown(token), Bpe::kMaxId);
    return static_cast<int32_t>(id);
  }
  static std::string shown(std::string_view text) {
    return replace_invalid_utf8(text.size() <= 60 ? std::string(text)
                                                  : std::string(text.substr(0, 57)) + "...");
  }

  void read_model(const object& model) {
    if (const auto type = present(model, "type"); type && as_string(*type, "the model's type") != "BPE")
      bad("the model is of type \"{}\"; only byte-level BPE is supported", shown(as_string(*type, "type")));
    for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const auto value = present(model, key);
      if (value && !as_string(*value, key).empty())
        bad("the model's {} is not supported; byte-level BPE has none", key);
    }
    if (const auto dropout = present(model, "dropout")) {
      double rate = 0;
      if (dropout->get(rate) || rate != 0) bad("the model's dropout is not supported: it makes ids random");
    }
    if (flag(model, "ignore_merges", false)) parts_.whole_pieces = Bpe::WholePieces::kLookUp;
    read_vocabulary(as_object(required(model, "vocab", "the model"), "the model's vocab"));
    read_merges(as_array(required(model, "merges", "the model"), "the model's merges"));
    read_missing_bytes(model);
  }

  void read_vocabulary(const object& vocab) {
    std::set<int32_t> foreign_ids;
    for (const auto [token, value] : vocab) {
      const int32_t id = id_of(value, token);
      if (token.size() > kMaxTokenBytes)
        bad("a token of {} bytes is longer than the {} allowed", token.size(), kMaxTokenBytes);
      if (const auto bytes = ByteAlphabet::get().to_bytes(token)) {
        if (!parts_.vocabulary.add(*bytes, id))
          bad("token \"{}\" or its id {} comes twice in the vocab", shown(token), id);
      } else {
        if (!foreign_.emplace(token, id).second || !foreign_ids.insert(id).second)
          bad("token \"{}\" or its id {} comes twice in the vocab", shown(token), id);
        parts_.foreign.push_back({std::string(token), id});
      }
    }
    for (const int32_t id : foreign_ids)
      if (parts_.vocabulary.has(id)) bad("the id {} comes twice in the vocab", id);
  }

  // The id of a merge's part; kForeign for a token outside the alphabet, which no text holds.
  static constexpr int32_t kForeign = -2;
  int32_t id_of_part(std::string_view part, size_t rank) const {
    const auto bytes = ByteAlphabet::get().to_bytes(part);
    const int32_t id = bytes                                  ? parts_.vocabulary.find(*bytes)
                       : foreign_.contains(std::string(part)) ? kForeign
                                                              : -1;
    if (id == -1) bad("merge {} needs the token \"{}\", which the vocab lacks", rank, shown(part));
    return id;
  }

  void read_merges(const array& merges) {
    size_t rank = 0;
    if (merges.size() > Bpe::kMaxMerges)
      bad("{} merges are more than the {} supported", merges.size(), Bpe::kMaxMerges);
    for (const element& merge : merges) {
      const auto [left, right] = parts_of(merge, rank);
      const int32_t left_id = id_of_part(left, rank), right_id = id_of_part(right, rank);
      const int32_t result = id_of_part(std::string(left).append(right), rank);
      ++rank;
      if (left_id != kForeign && right_id != kForeign) parts_.merges.push_back({left_id, right_id, result});
    }
  }

  std::pair<std::string_view, std::string_view> parts_of(const element& merge, size_t rank) const {
    if (merge.is_string()) {
      const std::string_view text = merge.get_string().value_unsafe();
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
        bad("merge {} (\"{}\") is not two tokens with a space between", rank, shown(text));
      return {text.substr(0, space), text.substr(space + 1)};
    }
    const array pair = as_array(merge, fmt::format("merge {}", rank));
    if (pair.size() != 2) bad("merge {} has {} parts, not 2", rank, pair.size());
    return {as_string(pair.at(0).value_unsafe(), "a part of a merge"),
            as_string(pair.at(1).value_unsafe(), "a part of a merge")};
  }

  void read_missing_bytes(const object& model) {
    const auto id_of_text = [&](const std::string& text) {
      const auto bytes = ByteAlphabet::get().to_bytes(text);
      if (bytes) return parts_.vocabulary.find(*bytes);
      const auto found = foreign_.find(text);
      return found == foreign_.end() ? -1 : found->second;
    };
    if (const auto unknown = present(model, "unk_token")) {
      const std::string token(as_string(*unknown, "the model's unk_token"));
      parts_.missing.unknown_id = id_of_text(token);
      if (parts_.missing.unknown_id < 0) bad("the unk_token \"{}\" is not in the vocab", shown(token));
    }
    if (flag(model, "fuse_unk", false)) parts_.missing.fuse = MissingBytes::Fuse::kYes;
    if (!flag(model, "byte_fallback", false)) return;
    for (int byte = 0; byte < 256; ++byte) {
      const char raw = static_cast<char>(byte);
      std::vector<int32_t>& fallback = parts_.missing.fallback[byte];
      for (const char part : ByteAlphabet::get().to_text({&raw, 1}))
        fallback.push_back(id_of_text(fmt::format("<0x{:02X}>", static_cast<unsigned char>(part))));
      if (std::find(fallback.begin(), fallback.end(), -1) != fallback.end()) fallback.clear();
    }
  }

  void read_added_tokens(const object& root) {
    const auto list = present(root, "added_tokens");
    if (!list) return;
    for (const element& entry : as_array(*list, "added_tokens")) {
      const object token = as_object(entry, "an added token");
      AddedToken added;
      added.content = string_field(token, "content", "an added token");
      added.is_special = flag(token, "special", false);
      added.is_single_word = flag(token, "single_word", false);
      added.strips_left = flag(token, "lstrip", false);
      added.strips_right = flag(token, "rstrip", false);
      added.matches_normalized = flag(token, "normalized", true);
      parts_.added_ids.push_back(id_of(required(token, "id", "an added token"), added.content));
      parts_.added.push_back(std::move(added));
    }
  }

  Regex regex_of(const object& step, std::string_view where) const {
    const object pattern = as_object(required(step, "pattern", where), "a pattern");
    if (const auto text = present(pattern, "String"))
      return Regex(as_string(*text, "a pattern"), Regex::Syntax::kLiteral);
    const std::string_view regex = string_field(pattern, "Regex", "a pattern");
    try {
      return Regex(regex, Regex::Syntax::kRegex);
    } catch (const Error& error) {  // It knows the pattern and not the file.
      bad("{}", error.what());
    }
  }

  void read_normalizer(const object& normalizer, int depth) {
    if (depth > kMaxDepth) bad("normalizers are nested more than {} deep", kMaxDepth);
    if (parts_.normalizes_to_mapped_bytes) bad("a normalizer after ByteLevel is not supported");
    const std::string_view type = string_field(normalizer, "type", "normalizer");
    std::vector<Normalizer>& list = parts_.normalizers;
    if (type == "Sequence") {
      for (const element& part : as_array(required(normalizer, "normalizers", "normalizer"), "normalizers"))
        read_normalizer(as_object(part, "a normalizer"), depth + 1);
    } else if (type == "NFC") {
      list.push_back(unicode_normalizer(UnicodeForm::kNfc));
    } else if (type == "NFD") {
      list.push_back(unicode_normalizer(UnicodeForm::kNfd));
    } else if (type == "NFKC") {
      list.push_back(unicode_normalizer(UnicodeForm::kNfkc));
    } else if (type == "NFKD") {
      list.push_back(unicode_normalizer(UnicodeForm::kNfkd));
    } else if (type == "Lowercase") {
      list.push_back(lowercase_normalizer());
    } else if (type == "Strip") {
      list.push_back(
          strip_normalizer(flag(normalizer, "strip_left", true), flag(normalizer, "strip_right", true)));
    } else if (type == "Prepend") {
      list.push_back(prepend_normalizer(std::string(string_field(normalizer, "prepend", "normalizer"))));
    } else if (type == "Replace") {
      list.push_back(
          [regex = regex_of(normalizer, "normalizer"),
           content = std::string(string_field(normalizer, "content", "normalizer"))](std::string_view text) {
            std::string replaced;
            size_t done = 0;
            regex.for_each_match(text, [&](size_t start, size_t end) {
              replaced.append(text.substr(done, start - done)).append(content);
              done = end;
            });
            return replaced.append(text.substr(done));
          });
    } else if (type == "ByteLevel") {
      parts_.normalizes_to_mapped_bytes = true;
    } else {
      bad("the normalizer \"{}\" is not supported", shown(type));
    }
  }

  SplitBehavior behavior_of(const object& step, std::string_view otherwise) const {
    const auto value = present(step, "behavior");
    const std::string_view name = value ? as_string(*value, "a behavior") : otherwise;
    if (name == "Isolated") return SplitBehavior::kIsolated;
    if (name == "Removed") return SplitBehavior::kRemoved;
    if (name == "Contiguous") return SplitBehavior::kContiguous;
    if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
    if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
    bad("the behavior \"{}\" of a Split is not supported", shown(name));
  }

  // Each character that `is_match` says yes to is a match of its own.
  template <class IsMatch>
  static PatternFinder character_finder(IsMatch is_match) {
    return [is_match](std::string_view text, std::vector<PatternMatch>& parts) {
      size_t done = 0;
      for (const char* at = text.data(); at < text.data() + text.size();) {
        const auto start = static_cast<size_t>(at - text.data());
        if (!is_match(next_code_point(at))) continue;
        if (done < start) parts.push_back({done, start, false});
        done = static_cast<size_t>(at - text.data());
        parts.push_back({start, done, true});
      }
      if (done < text.size()) parts.push_back({done, text.size(), false});
    };
  }

  static PatternFinder regex_finder(Regex regex) {
    return [regex = std::move(regex)](std::string_view text, std::vector<PatternMatch>& parts) {
      size_t done = 0;
      regex.for_each_match(text, [&](size_t start, size_t end) {
        if (done < start) parts.push_back({done, start, false});
        parts.push_back({start, end, true});
        done = end;
      });
      if (done < text.size()) parts.push_back({done, text.size(), false});
    };
  }

  static std::optional<KnownPattern> known_pattern(std::string_view regex) {
    if (regex ==
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")
      return KnownPattern::kLlama3;
    if (regex ==
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")
      return KnownPattern::kQwen2;
    if (regex == R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)")
      return KnownPattern::kGpt2;
    return std::nullopt;
  }

  SplitStep split_step(const object& step) const {
    SplitStep split;
    const object pattern = as_object(required(step, "pattern", "a Split"), "a pattern");
    const auto regex = present(pattern, "Regex");
    const auto known = regex ? known_pattern(as_string(*regex, "a pattern")) : std::nullopt;
    if (known)
      split = known_pattern_step(*known);
    else
      split.find = regex_finder(regex_of(step, "a Split"));
    split.behavior = behavior_of(step, "Isolated");
    split.is_inverted = flag(step, "invert", false);
    return split;
  }

  void read_pre_tokenizer(const object& step, int depth) {
    if (depth > kMaxDepth) bad("pre-tokenizers are nested more than {} deep", kMaxDepth);
    const std::string_view type = string_field(step, "type", "pre_tokenizer");
    std::vector<PreTokenizerStep>& list = parts_.pre_tokenizer;
    const auto is_punctuation = [](char32_t c) {
      return UnicodeTables::get().is_punctuation(c) || (c < 128 && std::ispunct(static_cast<int>(c)) != 0);
    };
    const auto is_space = [](char32_t c) { return UnicodeTables::get().is_space(c); };
    if (type == "Sequence") {
      for (const element& part : as_array(required(step, "pretokenizers", "pre_tokenizer"), "pretokenizers"))
        read_pre_tokenizer(as_object(part, "a pre-tokenizer"), depth + 1);
    } else if (type == "Split") {
      list.emplace_back(split_step(step));
    } else if (type == "ByteLevel") {
      if (flag(step, "add_prefix_space", true)) list.emplace_back(PrefixSpaceStep{});
      if (flag(step, "use_regex", true)) list.emplace_back(known_pattern_step(KnownPattern::kGpt2));
      list.emplace_back(MapBytesStep{});
    } else if (type == "Digits") {
      list.emplace_back(
          SplitStep{.find = character_finder([](char32_t c) { return UnicodeTables::get().is_number(c); }),
                    .behavior = flag(step, "individual_digits", false) ? SplitBehavior::kIsolated
                                                                       : SplitBehavior::kContiguous});
    } else if (type == "Punctuation") {
      list.emplace_back(
          SplitStep{.find = character_finder(is_punctuation), .behavior = behavior_of(step, "Isolated")});
    } else if (type == "WhitespaceSplit") {
      list.emplace_back(SplitStep{.find = character_finder(is_space), .behavior = SplitBehavior::kRemoved});
    } else if (type == "BertPreTokenizer") {
      list.emplace_back(SplitStep{.find = character_finder(is_space), .behavior = SplitBehavior::kRemoved});
      list.emplace_back(SplitStep{.find = character_finder(is_punctuation)});
    } else if (type == "CharDelimiterSplit") {
      const std::string_view delimiter = string_field(step, "delimiter", "a CharDelimiterSplit");
      if (delimiter.empty()) bad("a CharDelimiterSplit has an empty delimiter");
      list.emplace_back(SplitStep{
          .find = character_finder([c = decode_utf8(delimiter).code_point](char32_t x) { return x == c; }),
          .behavior = SplitBehavior::kRemoved});
    } else if (type == "FixedLength") {
      int64_t length = 5;
      if (const auto value = present(step, "length"); value && (value->get(length) || length < 1))
        bad("the length of a FixedLength is not a positive number");
      list.emplace_back(FixedLengthStep{static_cast<size_t>(length)});
    } else {
      bad("the pre-tokenizer \"{}\" is not supported", shown(type));
    }
  }

  // Tokens are decoded as bytes; a decoder that does something else is refused. None at all is taken for
  // ByteLevel.
  void check_decoder(const object& decoder, int depth) const {
    if (depth > kMaxDepth) bad("decoders are nested more than {} deep", kMaxDepth);
    const std::string_view type = string_field(decoder, "type", "decoder");
    if (type == "Sequence") {
      for (const element& part : as_array(required(decoder, "decoders", "decoder"), "decoders"))
        check_decoder(as_object(part, "a decoder"), depth + 1);
    } else if (type != "ByteLevel" && type != "Fuse") {
      bad("the decoder \"{}\" is not supported; byte-level tokenizers have ByteLevel", shown(type));
    }
  }

  // The special token before the text in a TemplateProcessing is the begin-of-text token.
  void read_post_processor(const object& processor, int depth) {
    if (depth > kMaxDepth) bad("post-processors are nested more than {} deep", kMaxDepth);
    const std::string_view type = string_field(processor, "type", "post_processor");
    if (type == "Sequence") {
      for (const element& part : as_array(required(processor, "processors", "post_processor"), "processors"))
        read_post_processor(as_object(part, "a post-processor"), depth + 1);
    } else if (type == "TemplateProcessing") {
      for (const element& part : as_array(required(processor, "single", "post_processor"), "a template")) {
        const object item = as_object(part, "a part of a template");
        const auto special = present(item, "SpecialToken");
        if (!special) break;
        if (parts_.bos_token.empty())
          parts_.bos_token = string_field(as_object(*special, "a SpecialToken"), "id", "a SpecialToken");
      }
    }
  }

  std::string name_;
  TokenizerParts parts_;
  std::map<std::string, int32_t, std::less<>> foreign_;
};

}  // namespace

TokenizerParts parse_tokenizer_json(std::string_view json, std::string_view name) {
  return Reader(name).read(json);
}

std::string parse_bos_token(std::string_view json, std::string_view name) {
  return Reader(name).read_bos_token(json);
}

}  // namespace poro
