// Filters for HTML and URLs. Chat templates hardly use them, but a template may.
#include <algorithm>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/html.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

Value escape_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("escape", arguments);
  return escape(runtime, self);
}

Value forceescape(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("forceescape", arguments);
  return escape(runtime, Value::string(str(runtime, self)));
}

Value safe(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("safe", arguments);
  return Value::markup(str(runtime, self));
}

Value striptags(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("striptags", arguments);
  const std::string_view text = str(runtime, self);
  runtime.step_characters(text.size());
  return runtime.string(strip_tags(text));
}

// Percent-encodes all but letters, digits, "_.-~" and, outside query strings, "/".
void append_quoted(Runtime& runtime, const Value& value, bool is_query, std::string& out) {
  static constexpr std::string_view kSafe = "_.-~";
  const std::string_view text = str(runtime, value);
  runtime.step_characters(text.size() * 3);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 &&
        (std::isalnum(byte) != 0 || kSafe.find(c) != std::string_view::npos || (c == '/' && !is_query))) {
      out += c;
    } else if (c == ' ' && is_query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
}

Value urlencode(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("urlencode", arguments);
  std::string out;
  if (self.is_string() || try_iterate(runtime, self) == nullptr) {
    append_quoted(runtime, self, false, out);
    return runtime.string(out);
  }
  const Value pairs = self.is(Kind::kDict) ? call(runtime, get_attribute(runtime, self, "items"), {}) : self;
  for (const Value& item : collect(runtime, pairs)) {
    const std::span<const Value> pair = collect(runtime, item);
    if (pair.size() != 2) fail("urlencode needs pairs of a key and a value");
    if (!out.empty()) out += '&';
    append_quoted(runtime, pair[0], true, out);
    out += '=';
    append_quoted(runtime, pair[1], true, out);
  }
  return runtime.string(out);
}

Value xmlattr(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [autospace] = bind("xmlattr", arguments, {"autospace"});
  if (!defined(self).is(Kind::kDict)) fail("xmlattr needs a dict, not a value of type {}", type_name(self));
  std::string out;
  for (const auto& [key, value] : self.dict().entries()) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string_view name = string_argument("xmlattr", key);
    if (name.find_first_of("\t\n\v\f\r />=") != std::string_view::npos)
      fail("\"{}\" is no name of an attribute", name);
    if (!out.empty()) out += ' ';
    append_str(runtime, escape(runtime, key), out);
    out += "=\"";
    append_str(runtime, escape(runtime, value), out);
    out += '"';
  }
  if (!out.empty() && flag_argument(runtime, autospace, true)) out.insert(out.begin(), ' ');
  return runtime.string(out);
}

Value urlize(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [limit, nofollow, target, rel, schemes] =
      bind("urlize", arguments, {"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"});
  LinkStyle style;
  if (!limit.is_missing() && !limit.is_none()) style.text_limit = integer_argument("urlize", limit);
  std::vector<std::string> relations{"noopener"};
  if (flag_argument(runtime, nofollow, false)) relations.push_back("nofollow");
  if (!rel.is_missing() && !rel.is_none())
    for (const Value& part : split_whitespace(runtime, string_argument("urlize", rel), -1).items())
      relations.emplace_back(part.text());
  std::sort(relations.begin(), relations.end());
  relations.erase(std::unique(relations.begin(), relations.end()), relations.end());
  style.relation = fmt::format("{}", fmt::join(relations, " "));
  if (!target.is_missing() && !target.is_none()) style.target = string_argument("urlize", target);
  if (!schemes.is_missing() && !schemes.is_none()) {
    for (const Value& scheme : collect(runtime, schemes)) {
      style.schemes.emplace_back(string_argument("urlize", scheme));
      if (!is_uri_scheme(style.schemes.back()))
        fail("\"{}\" is no prefix of a URI scheme", style.schemes.back());
    }
  }
  const std::string_view text = str(runtime, self);
  runtime.step_characters(text.size() * 2);
  return runtime.string(link_urls(text, style));
}

Value attr(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [name_given] = bind("attr", arguments, {"name"});
  const std::string_view name = string_argument("attr", required("attr", "name", name_given));
  defined(self);
  // Only attributes, never items: of a dict, its methods.
  if (self.is(Kind::kDict) && find_dict_method(name) == nullptr)
    return Value::undefined(Lack::kAttribute, name, self.kind());
  return get_attribute(runtime, self, name);
}

constexpr NativeEntry kFilters[] = {
    {"attr", attr},       {"e", escape_filter},     {"escape", escape_filter}, {"forceescape", forceescape},
    {"safe", safe},       {"striptags", striptags}, {"urlencode", urlencode},  {"urlize", urlize},
    {"xmlattr", xmlattr},
};

}  // namespace

std::span<const NativeEntry> html_filters() {
  return kFilters;
}

}  // namespace poro::jinja
