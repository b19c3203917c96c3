#include "text/tokenizer.h"

#include <atomic>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "text/byte_level.h"
#include "text/piece_encoder.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

namespace poro {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{512} << 20;

uint64_t next_serial() {
  static std::atomic<uint64_t> serial{0};
  return ++serial;
}

// What one thread keeps between calls of encode.
struct Scratch {
  uint64_t owner = 0;  // The tokenizer that the cached pieces are of.
  PieceEncoder encoder;
  Pieces pieces;
  std::vector<AddedTokenFinder::Part> parts, normalized_parts;
  std::vector<int32_t> ids;
};

Scratch& scratch_for(uint64_t serial) {
  thread_local Scratch scratch;
  if (scratch.owner != serial) {
    scratch.encoder.clear();
    scratch.owner = serial;
  }
  scratch.ids.clear();
  return scratch;
}

}  // namespace

struct Tokenizer::State {
  State(TokenizerParts given);

  void add_tokens(const TokenizerParts& parts);
  void encode_text(std::string_view text, Scratch& scratch) const;
  template <KnownPattern pattern>
  void scan_and_encode(std::string_view text, Scratch& scratch) const;

  uint64_t serial = next_serial();
  Vocabulary vocabulary;
  Bpe bpe;
  PreTokenizer pre_tokenizer;
  std::vector<Normalizer> normalizers;
  bool normalizes_to_mapped_bytes;
  AddedTokenFinder raw_finder, normalized_finder;
  struct Listed {
    std::string bytes;  // as decoded
    bool is_special;
  };
  std::unordered_map<int32_t, Listed> listed;  // Added tokens and tokens outside the alphabet, by id.
  std::unordered_map<std::string, int32_t> listed_ids;
  int32_t id_limit = 0;
  std::optional<int32_t> bos_id;
};

Tokenizer::State::State(TokenizerParts parts)
    : vocabulary(std::move(parts.vocabulary)),
      bpe(vocabulary, parts.merges, std::move(parts.missing), parts.whole_pieces),
      pre_tokenizer(std::move(parts.pre_tokenizer), parts.normalizes_to_mapped_bytes
                                                        ? PreTokenizer::Input::kMapped
                                                        : PreTokenizer::Input::kBytes),
      normalizers(std::move(parts.normalizers)),
      normalizes_to_mapped_bytes(parts.normalizes_to_mapped_bytes) {
  id_limit = vocabulary.id_limit();
  for (const TokenizerParts::ForeignToken& token : parts.foreign) {
    listed[token.id] = {token.text, false};
    listed_ids.emplace(token.text, token.id);
    id_limit = std::max(id_limit, token.id + 1);
  }
  add_tokens(parts);
  if (!parts.bos_token.empty()) {
    const auto found = listed_ids.find(parts.bos_token);
    const auto ordinary = ByteAlphabet::get().to_bytes(parts.bos_token);
    const int32_t id = found != listed_ids.end() ? found->second : ordinary ? vocabulary.find(*ordinary) : -1;
    if (id >= 0) bos_id = id;
  }
}

// An added token has the id of the vocabulary's token of that text, if there is one; the others count on from
// its size, whatever the file says: so does the reference.
void Tokenizer::State::add_tokens(const TokenizerParts& parts) {
  auto next_id = static_cast<int32_t>(vocabulary.size() + parts.foreign.size());
  std::unordered_map<int32_t, std::pair<AddedToken, std::string>> added;  // by id: the token and its pattern
  std::vector<int32_t> order;
  for (size_t i = 0; i < parts.added.size(); ++i) {
    const AddedToken& token = parts.added[i];
    if (token.content.empty()) continue;
    const auto bytes = ByteAlphabet::get().to_bytes(token.content);
    const auto known = listed_ids.find(token.content);
    int32_t id = known != listed_ids.end() ? known->second : bytes ? vocabulary.find(*bytes) : -1;
    if (id < 0) id = next_id++;
    std::string pattern = token.content;
    if (token.matches_normalized) {
      pattern = normalize(normalizers, pattern);
      if (normalizes_to_mapped_bytes) pattern = ByteAlphabet::get().to_text(pattern);
    }
    if (!added.contains(id)) order.push_back(id);
    const bool was_special = listed.contains(id) && listed[id].is_special;
    listed[id] = {ByteAlphabet::get().to_bytes(pattern).value_or(pattern), token.is_special || was_special};
    listed_ids[token.content] = id;
    id_limit = std::max(id_limit, id + 1);
    added[id] = {token, std::move(pattern)};
  }
  for (const int32_t id : order) {
    auto& [token, pattern] = added[id];
    AddedTokenFinder& finder = token.matches_normalized ? normalized_finder : raw_finder;
    finder.add(pattern, token, id);
  }
}

template <KnownPattern pattern>
void Tokenizer::State::scan_and_encode(std::string_view text, Scratch& scratch) const {
  Scanner<pattern> scanner(text);
  const char* const end = text.data() + text.size();
  const auto next = [&](std::string_view& piece, size_t& readable) {
    if (scanner.is_done()) return false;
    piece = scanner.next();
    readable = static_cast<size_t>(end - piece.data());
    return true;
  };
  scratch.encoder.encode(next, bpe, vocabulary, scratch.ids);
}

void Tokenizer::State::encode_text(std::string_view text, Scratch& scratch) const {
  if (const auto known = pre_tokenizer.known_pattern()) {
    switch (*known) {
      case KnownPattern::kLlama3:
        return scan_and_encode<KnownPattern::kLlama3>(text, scratch);
      case KnownPattern::kQwen2:
        return scan_and_encode<KnownPattern::kQwen2>(text, scratch);
      case KnownPattern::kGpt2:
        return scan_and_encode<KnownPattern::kGpt2>(text, scratch);
    }
  }
  pre_tokenizer.split(text, scratch.pieces);
  auto place = scratch.pieces.texts.begin();
  const auto next = [&](std::string_view& piece, size_t& readable) {
    if (place == scratch.pieces.texts.end()) return false;
    piece = *place++;
    readable = piece.size();
    return true;
  };
  scratch.encoder.encode(next, bpe, vocabulary, scratch.ids);
}

Tokenizer::Tokenizer(TokenizerParts parts) : state_(std::make_unique<State>(std::move(parts))) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_json(std::string_view tokenizer_json) {
  return Tokenizer(parse_tokenizer_json(tokenizer_json, "tokenizer.json"));
}

Tokenizer Tokenizer::load(const std::filesystem::path& folder_or_file) {
  std::filesystem::path file = folder_or_file;
  if (std::filesystem::is_directory(file)) {
    file /= "tokenizer.json";
    if (!std::filesystem::exists(file)) file.replace_filename("tokenizer.model");
    if (!std::filesystem::exists(file))
      fail(
          "{} holds no tokenizer (tokenizer.json, or tokenizer.model in Meta's rank format); copy the one of "
          "the model's family there",
          folder_or_file.string());
  }
  const std::string content = read_file(file, kMaxFileBytes);
  const bool is_json = file.extension() == ".json";
  TokenizerParts parts =
      is_json ? parse_tokenizer_json(content, file.string()) : parse_rank_file(content, file.string());
  const std::filesystem::path config = std::filesystem::path(file).replace_filename("tokenizer_config.json");
  if (parts.bos_token.empty() && std::filesystem::exists(config))
    parts.bos_token = parse_bos_token(read_file(config, kMaxFileBytes), config.string());
  return Tokenizer(std::move(parts));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  std::string replaced;
  if (!is_valid_utf8(text)) text = replaced = replace_invalid_utf8(text);
  Scratch& scratch = scratch_for(state_->serial);
  scratch.parts.clear();
  state_->raw_finder.split(text, special, scratch.parts);
  const bool is_plain_text = state_->normalizers.empty() && !state_->normalizes_to_mapped_bytes &&
                             state_->normalized_finder.is_empty();
  for (const AddedTokenFinder::Part& part : scratch.parts) {
    if (part.id >= 0) {
      scratch.ids.push_back(part.id);
      continue;
    }
    if (is_plain_text) {
      state_->encode_text(part.text, scratch);
      continue;
    }
    std::string normal = normalize(state_->normalizers, part.text);
    if (state_->normalizes_to_mapped_bytes) normal = ByteAlphabet::get().to_text(normal);
    scratch.normalized_parts.clear();
    state_->normalized_finder.split(normal, special, scratch.normalized_parts);
    for (const AddedTokenFinder::Part& inner : scratch.normalized_parts) {
      if (inner.id >= 0)
        scratch.ids.push_back(inner.id);
      else
        state_->encode_text(inner.text, scratch);
    }
  }
  return scratch.ids;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  if (const auto found = state_->listed.find(id); found != state_->listed.end()) return found->second.bytes;
  if (!state_->vocabulary.has(id))
    fail("{} is no token id: the vocabulary has ids from 0 to {}", id, vocab_size() - 1);
  return state_->vocabulary.bytes(id);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, SkipSpecial skip) const {
  std::string bytes;
  for (const int32_t id : ids) {
    const std::string_view token = token_bytes(id);
    if (skip == SkipSpecial::kNo || !is_special(id)) bytes += token;
  }
  return is_valid_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  if (const auto found = state_->listed_ids.find(std::string(token)); found != state_->listed_ids.end())
    return found->second;
  const int32_t id = state_->vocabulary.find(token);
  return id >= 0 ? std::optional(id) : std::nullopt;
}

bool Tokenizer::is_special(int32_t id) const {
  const auto found = state_->listed.find(id);
  return found != state_->listed.end() && found->second.is_special;
}

int32_t Tokenizer::vocab_size() const {
  return state_->id_limit;
}

std::optional<int32_t> Tokenizer::bos_id() const {
  return state_->bos_id;
}

std::string TextStream::push(int32_t id) {
  const std::string_view bytes = tokenizer_->token_bytes(id);
  if (skip_ == SkipSpecial::kYes && tokenizer_->is_special(id)) return {};
  pending_ += bytes;
  const size_t tail = incomplete_utf8_tail(pending_);
  std::string text = replace_invalid_utf8(std::string_view(pending_).substr(0, pending_.size() - tail));
  pending_.erase(0, pending_.size() - tail);
  return text;
}

std::string TextStream::finish() {
  return replace_invalid_utf8(std::exchange(pending_, {}));
}

}  // namespace poro
