// Meta's tokenizer.model of Llama 3 (the format of tiktoken): lines of a token in base64 and its rank, which
// is its id. Merges are not listed: two tokens merge wherever their bytes together are a token, in the order
// of that token's rank.
#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "text/tokenizer_parts.h"

namespace poro {
namespace {

constexpr int kNumSpecialTokens = 256;
constexpr size_t kMaxTokenBytes = 4096;

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) text.remove_suffix(1), ++padding;
  std::string bytes;
  uint32_t bits = 0;
  int num_bits = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes.push_back(static_cast<char>(bits >> num_bits & 0xFF));
  }
  return bytes;
}

// Every way to make a token of two others; among those of one token, the pair of lower ids first, as the
// converters to tokenizer.json write them.
std::vector<Merge> merges_of(const Vocabulary& vocabulary) {
  std::vector<Merge> merges;
  for (int32_t id = 0; id < vocabulary.id_limit(); ++id) {
    const std::string_view token = vocabulary.bytes(id);
    const size_t first = merges.size();
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const int32_t left = vocabulary.find(token.substr(0, cut));
      if (left < 0) continue;
      if (const int32_t right = vocabulary.find(token.substr(cut)); right >= 0)
        merges.push_back({left, right, id});
    }
    std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
              [](const Merge& a, const Merge& b) {
                return std::pair(a.left, a.right) < std::pair(b.left, b.right);
              });
  }
  return merges;
}

// The file holds no special tokens: these are Llama 3.1's, and the rest up to 256 are reserved.
std::vector<AddedToken> llama3_special_tokens() {
  std::vector<std::string> names = {"<|begin_of_text|>",
                                    "<|end_of_text|>",
                                    "<|reserved_special_token_0|>",
                                    "<|reserved_special_token_1|>",
                                    "<|finetune_right_pad_id|>",
                                    "<|reserved_special_token_2|>",
                                    "<|start_header_id|>",
                                    "<|end_header_id|>",
                                    "<|eom_id|>",
                                    "<|eot_id|>",
                                    "<|python_tag|>"};
  for (int reserved = 3; names.size() < kNumSpecialTokens; ++reserved)
    names.push_back(fmt::format("<|reserved_special_token_{}|>", reserved));
  std::vector<AddedToken> tokens;
  tokens.reserve(names.size());
  for (std::string& name : names) tokens.push_back({.content = std::move(name), .is_special = true});
  return tokens;
}

}  // namespace

TokenizerParts parse_rank_file(std::string_view text, std::string_view name) {
  TokenizerParts parts;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    int32_t rank = -1;
    const std::string_view digits =
        space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    const auto bytes = decode_base64(line.substr(0, space));
    if (!bytes || bytes->size() > kMaxTokenBytes || parsed.ec != std::errc() ||
        parsed.ptr != digits.data() + digits.size() || rank < 0 || rank > Bpe::kMaxId)
      fail("{}: line {} is not a token in base64, a space and its rank; is it Llama 3's tokenizer.model?",
           name, number);
    if (!parts.vocabulary.add(*bytes, rank))
      fail("{}: the token or the rank of line {} came before", name, number);
  }
  if (parts.vocabulary.size() == 0) fail("{}: no tokens; is it Llama 3's tokenizer.model?", name);
  if (parts.vocabulary.size() != static_cast<size_t>(parts.vocabulary.id_limit()))
    fail("{}: the ranks of {} tokens go up to {}; they must count on from 0", name, parts.vocabulary.size(),
         parts.vocabulary.id_limit() - 1);
  parts.merges = merges_of(parts.vocabulary);
  if (parts.merges.size() > Bpe::kMaxMerges)
    fail("{}: {} ways to merge two tokens are more than the {} supported", name, parts.merges.size(),
         Bpe::kMaxMerges);
  parts.whole_pieces = Bpe::WholePieces::kLookUp;
  parts.added = llama3_special_tokens();
  parts.bos_token = parts.added.front().content;
  parts.pre_tokenizer = {known_pattern_step(KnownPattern::kLlama3), MapBytesStep{}};
  return parts;
}

}  // namespace poro
