#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "text/unicode.h"

namespace poro {
namespace {

char32_t first_character(std::string_view text) {
  return decode_utf8(text).code_point;
}

size_t last_character_start(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// \w as Rust has it: with the joiners.
bool is_word(char32_t c) {
  return UnicodeTables::get().is_word(c) || c == 0x200C || c == 0x200D;
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && is_word(first_character(text));
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word(first_character(text.substr(last_character_start(text))));
}

size_t space_at_start(std::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const Utf8Char c = decode_utf8(text.substr(size));
    if (!UnicodeTables::get().is_space(c.code_point)) break;
    size += c.length;
  }
  return size;
}

size_t without_space_at_end(std::string_view text) {
  while (!text.empty()) {
    const size_t start = last_character_start(text);
    if (!UnicodeTables::get().is_space(first_character(text.substr(start)))) break;
    text = text.substr(0, start);
  }
  return text.size();
}

}  // namespace

int32_t AddedTokenFinder::child(int32_t node, unsigned char byte) const {
  if (node == 0) return first_[byte];
  const auto found = children_.find(static_cast<uint64_t>(node) << 8 | byte);
  return found == children_.end() ? -1 : found->second;
}

void AddedTokenFinder::add(std::string_view pattern, AddedToken token, int32_t id) {
  if (pattern.empty()) return;
  int32_t node = 0;
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<int32_t>(token_at_node_.size());
      token_at_node_.push_back(-1);
      if (node == 0) {
        first_[byte] = next;
        ++num_first_;
        only_first_ = c;
      } else {
        children_.emplace(static_cast<uint64_t>(node) << 8 | byte, next);
      }
    }
    node = next;
  }
  if (token_at_node_[node] >= 0)
    return;  // Two that are equal once normalized: the first (the reference's choice varies by process).
  token_at_node_[node] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back({std::move(token), id});
}

AddedTokenFinder::Match AddedTokenFinder::find(std::string_view text, size_t from) const {
  for (size_t start = from; start < text.size(); ++start) {
    if (num_first_ == 1) {
      const void* found = std::memchr(text.data() + start, only_first_, text.size() - start);
      if (found == nullptr) break;
      start = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    }
    int32_t node = first_[static_cast<unsigned char>(text[start])];
    Match longest{start, start, -1};
    for (size_t end = start + 1; node >= 0; ++end) {
      if (token_at_node_[node] >= 0) longest = {start, end, token_at_node_[node]};
      if (end == text.size()) break;
      node = child(node, static_cast<unsigned char>(text[end]));
    }
    if (longest.token >= 0) return longest;
  }
  return {text.size(), text.size(), -1};
}

void AddedTokenFinder::split(std::string_view text, SpecialTokens special, std::vector<Part>& parts) const {
  size_t done = 0;
  if (!tokens_.empty()) {
    for (size_t from = 0; from < text.size();) {
      Match match = find(text, from);
      if (match.token < 0) break;
      from = match.end;
      const auto& [token, id] = tokens_[match.token];
      if (token.is_special && special == SpecialTokens::kPlain) continue;
      if (token.is_single_word &&
          (ends_with_word(text.substr(0, match.start)) || starts_with_word(text.substr(match.end))))
        continue;
      if (token.strips_left) match.start = std::max(without_space_at_end(text.substr(0, match.start)), done);
      if (token.strips_right) match.end += space_at_start(text.substr(match.end));
      if (done < match.start) parts.push_back({text.substr(done, match.start - done), -1});
      parts.push_back({text.substr(match.start, match.end - match.start), id});
      done = match.end;
    }
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
}

}  // namespace poro
