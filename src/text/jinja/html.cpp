#include "text/jinja/html.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kEntities = {{{"amp", "&"},
                                                                                      {"lt", "<"},
                                                                                      {"gt", ">"},
                                                                                      {"quot", "\""},
                                                                                      {"apos", "'"},
                                                                                      {"nbsp", "\u00a0"},
                                                                                      {"copy", "\u00a9"},
                                                                                      {"reg", "\u00ae"},
                                                                                      {"auml", "\u00e4"},
                                                                                      {"ouml", "\u00f6"},
                                                                                      {"Auml", "\u00c4"},
                                                                                      {"Ouml", "\u00d6"},
                                                                                      {"aring", "\u00e5"},
                                                                                      {"ndash", "\u2013"},
                                                                                      {"mdash", "\u2014"},
                                                                                      {"hellip", "\u2026"}}};

std::string without(const std::string& text, std::string_view open, std::string_view close) {
  std::string out;
  size_t at = 0;
  while (true) {
    const size_t start = text.find(open, at);
    const size_t end = start == std::string::npos ? start : text.find(close, start + open.size());
    if (end == std::string::npos) return out + text.substr(at);
    out += text.substr(at, start - at);
    at = end + close.size();
  }
}

// The character that `name` (between & and ;) stands for; empty if it is none.
std::string entity(std::string_view name) {
  if (name.starts_with('#')) {
    const bool is_hex = name.size() > 1 && (name[1] | 0x20) == 'x';
    const std::string_view digits = name.substr(is_hex ? 2 : 1);
    uint32_t point = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), point, is_hex ? 16 : 10);
    if (error != std::errc() || end != digits.data() + digits.size()) return {};
    if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) point = 0xfffd;
    std::string out;
    append_character(out, point);
    return out;
  }
  const auto* known = std::find_if(kEntities.begin(), kEntities.end(),
                                   [&](const auto& entry) { return entry.first == name; });
  return known == kEntities.end() ? std::string() : std::string(known->second);
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// "name.name.topleveldomain" from `at`: where it ends, or npos.
bool is_host(std::string_view host) {
  const size_t dot = host.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || host.size() - dot - 1 < 2) return false;
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  if (!std::all_of(host.begin() + static_cast<std::ptrdiff_t>(dot) + 1, host.end(), is_letter)) return false;
  return std::all_of(host.begin(), host.begin() + static_cast<std::ptrdiff_t>(dot),
                     [](char c) { return is_word(c) || c == '-' || c == '.' || c == '%'; });
}

bool is_web_address(std::string_view word) {
  static constexpr std::array<std::string_view, 9> kDomains = {"com", "net",  "int", "edu",  "gov",
                                                               "org", "info", "mil", "onion"};
  bool has_scheme = false;
  std::string lower = to_lower(word);
  std::string_view rest = lower;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    has_scheme = true;
    break;
  }
  const bool has_www = !has_scheme && rest.starts_with("www.");
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  std::string_view host = authority.substr(0, authority.find(':'));
  const std::string_view port = authority.substr(host.size());
  if (port.size() == 1 || !std::all_of(port.begin() + (port.empty() ? 0 : 1), port.end(), [](char c) {
        return std::isdigit(static_cast<unsigned char>(c)) != 0;
      }))
    return false;
  if (has_scheme && (host == "localhost" || host.starts_with('[')))
    return host == "localhost" || host.ends_with(']');
  if (has_scheme || has_www)
    return is_host(host) || (has_scheme && std::count(host.begin(), host.end(), '.') == 3);
  const size_t dot = host.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  return std::find(kDomains.begin(), kDomains.end(), host.substr(dot + 1)) != kDomains.end() && is_host(host);
}

bool is_mail_address(std::string_view word) {
  const size_t at = word.find('@');
  if (at == std::string_view::npos || at == 0 || word.find('@', at + 1) != std::string_view::npos)
    return false;
  const std::string_view domain = word.substr(at + 1);
  const size_t dot = domain.find('.');
  return dot != std::string_view::npos && dot > 0 && dot + 1 < domain.size() &&
         std::all_of(domain.begin(), domain.end(), [](char c) { return is_word(c) || c == '-' || c == '.'; });
}

size_t count_of(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

struct Word {
  std::string_view head, middle, tail;
};

// Brackets and punctuation around a word are no part of a URL, but brackets that the URL itself opens are.
Word without_punctuation(std::string_view word) {
  size_t start = 0, end = word.size();
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view open : {"(", "<", "&lt;"}) {
      if (!word.substr(start).starts_with(open)) continue;
      start += open.size();
      found = true;
    }
  }
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view close : {")", ">", ".", ",", "\n", "&gt;"}) {
      if (!word.substr(start, end - start).ends_with(close)) continue;
      end -= close.size();
      found = true;
    }
  }
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPairs = {
      {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}}};
  for (const auto& [open, close] : kPairs) {
    const std::string_view middle = word.substr(start, end - start);
    const size_t opened = count_of(middle, open);
    if (opened <= count_of(middle, close)) continue;
    for (size_t i = std::min(opened, count_of(word.substr(end), close)); i > 0; --i)
      end = word.find(close, end) + close.size();
  }
  return {word.substr(0, start), word.substr(start, end - start), word.substr(end)};
}

std::string link(std::string_view word, const LinkStyle& style) {
  const Word parts = without_punctuation(word);
  std::string middle(parts.middle);
  std::string attributes;
  if (!style.relation.empty()) attributes += " rel=\"" + escape_html(style.relation) + "\"";
  if (!style.target.empty()) attributes += " target=\"" + escape_html(style.target) + "\"";
  if (is_web_address(middle)) {
    std::string shown = middle;
    if (style.text_limit >= 0 && static_cast<int64_t>(count_characters(middle)) > style.text_limit)
      shown = middle.substr(0, byte_offset(middle, static_cast<size_t>(style.text_limit))) + "...";
    const bool has_scheme = middle.starts_with("https://") || middle.starts_with("http://");
    middle = "<a href=\"" + (has_scheme ? "" : std::string("https://")) + middle + "\"" + attributes + ">" +
             shown + "</a>";
  } else if (middle.starts_with("mailto:") && is_mail_address(std::string_view(middle).substr(7))) {
    middle = "<a href=\"" + middle + "\">" + middle.substr(7) + "</a>";
  } else if (middle.find(':') == std::string::npos && !middle.starts_with("www.") &&
             is_mail_address(middle)) {
    middle = "<a href=\"mailto:" + middle + "\">" + middle + "</a>";
  } else {
    for (const std::string& scheme : style.schemes)
      if (middle != scheme && middle.starts_with(scheme))
        middle = "<a href=\"" + middle + "\"" + attributes + ">" + middle + "</a>";
  }
  return std::string(parts.head) + middle + std::string(parts.tail);
}

}  // namespace

std::string strip_tags(std::string_view text) {
  const std::string bare = without(without(std::string(text), "<!--", "-->"), "<", ">");
  std::string spaced;
  for (size_t at = skip_whitespace(bare, 0); at < bare.size();) {
    const size_t start = at;
    if (is_space(next_character(bare, at))) {
      at = skip_whitespace(bare, at);
      if (at < bare.size()) spaced += ' ';
    } else {
      spaced.append(bare, start, at - start);
    }
  }
  std::string out;
  for (size_t at = 0; at < spaced.size();) {
    constexpr size_t kLongest = 16;  // Of & to ;.
    const std::string_view near = std::string_view(spaced).substr(at, kLongest);
    const size_t length = near[0] == '&' ? near.find(';') : std::string::npos;
    const std::string character = length != std::string::npos ? entity(near.substr(1, length - 1)) : "";
    if (character.empty()) {
      out += spaced[at++];
    } else {
      out += character;
      at += length + 1;
    }
  }
  return out;
}

std::string link_urls(std::string_view text, const LinkStyle& style) {
  const std::string escaped = escape_html(text);
  std::string out;
  for (size_t at = 0; at < escaped.size();) {
    const size_t word = skip_whitespace(escaped, at);
    out.append(escaped, at, word - at);
    size_t end = word;
    for (size_t next = word; end < escaped.size(); end = next)
      if (is_space(next_character(escaped, next))) break;
    if (end > word) out += link(std::string_view(escaped).substr(word, end - word), style);
    at = end;
  }
  return out;
}

bool is_uri_scheme(std::string_view text) {
  size_t end = 0;
  while (end < text.size() &&
         (is_word(text[end]) || text[end] == '.' || text[end] == '+' || text[end] == '-'))
    ++end;
  const std::string_view rest = text.substr(end);
  return end >= 2 && (rest == ":" || rest == ":/" || rest == "://");
}

}  // namespace poro::jinja
