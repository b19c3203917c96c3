// The text work behind the filters striptags and urlize.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace poro::jinja {

// Without comments and tags, whitespace runs as one space, entities as characters.
std::string strip_tags(std::string_view text);

struct LinkStyle {
  int64_t text_limit = -1;  // Characters of the link's text; negative: all.
  std::string relation, target;
  std::vector<std::string> schemes;
};

// Escapes `text` and makes links of what looks like a URL or a mail address.
std::string link_urls(std::string_view text, const LinkStyle& style);
bool is_uri_scheme(std::string_view text);

}  // namespace poro::jinja
