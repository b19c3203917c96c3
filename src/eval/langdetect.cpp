#include "eval/langdetect.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "eval/python_text.h"

namespace poro {
namespace {

constexpr int kTrials = 7;
constexpr int kRuns = 25, kSureVotes = 5;
constexpr int kMaxDraws = 1000;
constexpr int kDrawsPerCheck = 5;
constexpr double kSmoothing = 0.5, kSmoothingWidth = 0.05;
constexpr double kBaseFrequency = 10000;
constexpr double kConverged = 0.99999;
constexpr double kThreshold = 0.1;
constexpr size_t kMaxCharacters = 10000;

bool is_upper(char32_t character) {
  return u_isUUppercase(static_cast<UChar32>(character)) != 0;
}

// Vietnamese letters written as a vowel and a tone mark become one character, as in the profiles.
std::u32string composed(const std::u32string& text) {
  static constexpr std::u32string_view kLetters = U"AEIOUYaeiouyÂÊÔâêôĂăƠơƯư";
  static constexpr std::u32string_view kTones = U"\u0300\u0301\u0303\u0309\u0323";
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* composer = unorm2_getNFCInstance(&status);
  CHECK(U_SUCCESS(status), "ICU has no composing normaliser");
  std::u32string result;
  for (const char32_t character : text) {
    const bool is_pair = !result.empty() && kTones.find(character) != std::u32string_view::npos &&
                         kLetters.find(result.back()) != std::u32string_view::npos;
    const UChar32 one = is_pair ? unorm2_composePair(composer, static_cast<UChar32>(result.back()),
                                                     static_cast<UChar32>(character))
                                : -1;
    if (one >= 0)
      result.back() = static_cast<char32_t>(one);
    else
      result += character;
  }
  return result;
}

}  // namespace

Langdetect::Langdetect(const std::filesystem::path& folder, const std::filesystem::path& properties)
    : address_("https?://[-_.?&~;+=/#0-9A-Za-z]{1,2076}"),
      mail_("[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255}") {
  std::vector<std::filesystem::path> profiles;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file()) profiles.push_back(entry.path());
  std::sort(profiles.begin(), profiles.end());
  if (profiles.size() < 2)
    fail("{} holds {} language profiles; run tools/install-eval-data", folder.string(), profiles.size());
  for (size_t i = 0; i < profiles.size(); ++i) load_profile(profiles[i], i, profiles.size());
  load_classes(properties);
}

void Langdetect::load_profile(const std::filesystem::path& path, size_t language, size_t num_languages) {
  try {
    const nlohmann::json profile = nlohmann::json::parse(read_file(path));
    languages_.push_back(profile.at("name"));
    const auto totals = profile.at("n_words").get<std::array<double, 3>>();
    for (const auto& [piece, count] : profile.at("freq").items()) {
      const std::u32string characters = python::characters(piece);
      const auto [row, is_new] = rows_.try_emplace(characters, static_cast<uint32_t>(rows_.size()));
      if (is_new) probabilities_.resize(probabilities_.size() + num_languages);
      if (!characters.empty() && characters.size() <= totals.size())
        probabilities_[row->second * num_languages + language] =
            count.get<double>() / totals[characters.size() - 1];
    }
  } catch (const nlohmann::json::exception& error) {
    fail("{} is no language profile ({}); run tools/install-eval-data again", path.string(), error.what());
  }
}

// Lines NGram.KANJI_x=\u4F7C\u6934...: characters of one class count as the first of them.
void Langdetect::load_classes(const std::filesystem::path& properties) {
  const std::string content = read_file(properties);
  for (const std::string_view line : python::split(content, "\n")) {
    if (!line.starts_with("NGram.KANJI_")) continue;
    const std::string value = "\"" + std::string(python::strip(line.substr(line.find('=') + 1))) + "\"";
    const nlohmann::json text = nlohmann::json::parse(value, nullptr, false);
    if (!text.is_string()) fail("{} has a line that is no list of characters: {}", properties.string(), line);
    const std::u32string members = python::characters(text.get<std::string>());
    for (const char32_t member : members) classes_[member] = members.front();
  }
}

std::u32string Langdetect::cleaned(std::string_view text) const {
  const std::u32string whole =
      composed(python::characters(mail_.replaced(address_.replaced(text, " "), " ")));
  std::u32string result;
  size_t num_latin = 0, num_other = 0;
  for (size_t i = 0; i < std::min(whole.size(), kMaxCharacters); ++i) {
    const char32_t c = whole[i];
    if (c == U' ' && i > 0 && whole[i - 1] == U' ') continue;
    result += c;
    if (c >= U'A' && c <= U'z')
      ++num_latin;
    else if (c >= 0x300 && ublock_getCode(static_cast<UChar32>(c)) != UBLOCK_LATIN_EXTENDED_ADDITIONAL)
      ++num_other;
  }
  if (num_latin * 2 < num_other) std::erase_if(result, [](char32_t c) { return c >= U'A' && c <= U'z'; });
  return result;
}

// One character per script where the profiles do not tell its letters apart; punctuation is a space.
char32_t Langdetect::normalized(char32_t c) const {
  switch (ublock_getCode(static_cast<UChar32>(c))) {
    case UBLOCK_BASIC_LATIN:
      return (c >= U'A' && c <= U'Z') || (c >= U'a' && c <= U'z') ? c : U' ';
    case UBLOCK_LATIN_1_SUPPLEMENT:
      return c == 0xA0 || c == 0xAB || c == 0xB0 || c == 0xBB ? U' ' : c;
    case UBLOCK_LATIN_EXTENDED_B:
      return c == 0x219 ? 0x15F : c == 0x21B ? 0x163 : c;  // Romanian commas as cedillas.
    case UBLOCK_GENERAL_PUNCTUATION:
      return U' ';
    case UBLOCK_ARABIC:
      return c == 0x6CC ? 0x64A : c;  // Farsi yeh as Arabic yeh.
    case UBLOCK_LATIN_EXTENDED_ADDITIONAL:
      return c >= 0x1EA0 ? 0x1EC3 : c;
    case UBLOCK_HIRAGANA:
      return 0x3042;
    case UBLOCK_KATAKANA:
      return 0x30A2;
    case UBLOCK_BOPOMOFO:
    case UBLOCK_BOPOMOFO_EXTENDED:
      return 0x3105;
    case UBLOCK_HANGUL_SYLLABLES:
      return 0xAC00;
    case UBLOCK_CJK_UNIFIED_IDEOGRAPHS: {
      const auto found = classes_.find(c);
      return found == classes_.end() ? c : found->second;
    }
    default:
      return c;
  }
}

std::vector<uint32_t> Langdetect::pieces(const std::u32string& text) const {
  std::vector<uint32_t> result;
  std::u32string window =
      U" ";                  // The last characters of this word, at most three, its leading space included.
  bool in_capitals = false;  // Inside a word of capitals nothing is counted.
  for (const char32_t raw : text) {
    const char32_t c = normalized(raw);
    const char32_t last = window.back();
    if (last == U' ') {
      window = U" ";
      in_capitals = false;
    } else if (window.size() >= 3) {
      window.erase(0, 1);
    }
    if (last != U' ' || c != U' ') {
      window += c;
      in_capitals = is_upper(c) && (in_capitals || is_upper(last));
    }
    if (in_capitals) continue;
    for (size_t n = 1; n <= window.size(); ++n) {
      const auto found = rows_.find(window.substr(window.size() - n));
      if (found != rows_.end() && found->first != U" ") result.push_back(found->second);
    }
  }
  return result;
}

std::optional<double> Langdetect::share(std::string_view text, std::string_view language) const {
  const std::vector<uint32_t> rows = pieces(cleaned(text));
  if (rows.empty()) return std::nullopt;
  const auto wanted =
      static_cast<size_t>(std::find(languages_.begin(), languages_.end(), language) - languages_.begin());
  if (wanted == languages_.size()) return 0;
  std::vector<int> votes(languages_.size() + 1);
  int runs = 0;
  while (runs < kRuns) {
    const size_t answer = detect_once(rows, static_cast<uint64_t>(runs++));
    if (++votes[answer] == kSureVotes && runs == kSureVotes) break;  // Plain text: no run will say otherwise.
  }
  return static_cast<double>(votes[wanted]) / runs;
}

size_t Langdetect::detect_once(const std::vector<uint32_t>& rows, uint64_t seed) const {
  const size_t num_languages = languages_.size();
  std::vector<double> mean(num_languages), probability(num_languages);
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(seed, static_cast<uint64_t>(trial));
    std::fill(probability.begin(), probability.end(), 1.0 / static_cast<double>(num_languages));
    const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));  // Box and Muller.
    const double gauss = radius * std::cos(2 * std::numbers::pi * random.uniform());
    const double weight = (kSmoothing + kSmoothingWidth * gauss) / kBaseFrequency;
    for (int draw = 0;; ++draw) {
      const uint32_t row = rows[static_cast<size_t>(random.uniform() * static_cast<double>(rows.size()))];
      double sum = 0;
      for (size_t l = 0; l < num_languages; ++l)
        sum += probability[l] *= weight + probabilities_[row * num_languages + l];
      if (draw % kDrawsPerCheck != 0) continue;
      double largest = 0;
      for (double& p : probability) largest = std::max(largest, p /= sum);
      if (largest > kConverged || draw >= kMaxDraws) break;
    }
    for (size_t l = 0; l < num_languages; ++l) mean[l] += probability[l] / kTrials;
  }
  const auto best = std::max_element(mean.begin(), mean.end());
  return *best > kThreshold ? static_cast<size_t>(best - mean.begin()) : num_languages;
}

}  // namespace poro
