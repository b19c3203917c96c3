#include "data/corpus/document.h"

#include <unicode/uchar.h>

#include "base/error.h"
#include "base/json.h"
#include "text/unicode.h"

namespace poro {
namespace {

void add_texts(RecordJson& value, const char* name, std::vector<std::string*>& texts) {
  if (value.is_string()) {
    texts.push_back(&value.get_ref<std::string&>());
    return;
  }
  if (value.is_object()) value = RecordJson::array({value});
  if (!value.is_array() || value.empty()) fail("\"{}\" is neither a text nor a list of messages", name);
  for (RecordJson& message : value) {
    if (!message.is_object() || !message.contains("content") || !message["content"].is_string())
      fail("\"{}\" holds a message without a text \"content\"", name);
    texts.push_back(&message["content"].get_ref<std::string&>());
  }
}

std::string string_field(const RecordJson& fields, const char* name) {
  const auto found = fields.find(name);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Document parse_document(std::string_view line) {
  Document document;
  try {
    document.fields = RecordJson::parse(line);
  } catch (const RecordJson::exception&) {
    fail("not JSON in UTF-8: {}", quote(line.substr(0, 80)));
  }
  if (!document.fields.is_object()) fail("not a JSON object");
  texts_of(document);
  return document;
}

std::vector<std::string*> texts_of(Document& document) {
  std::vector<std::string*> texts;
  RecordJson& fields = document.fields;
  const auto add = [&](const char* name) {
    if (!fields.contains(name)) fail("\"{}\" is missing", name);
    add_texts(fields[name], name, texts);
  };
  if (fields.contains("text")) {
    if (!fields["text"].is_string()) fail("\"text\" is not a string");
    texts.push_back(&fields["text"].get_ref<std::string&>());
  } else if (fields.contains("messages")) {
    add("messages");
  } else if (fields.contains("prompt")) {
    for (const char* name : {"prompt", "chosen", "rejected"}) add(name);
  } else {
    fail("none of the keys \"text\", \"messages\", \"prompt\" is there");
  }
  return texts;
}

std::string joined_text(const Document& document) {
  std::string joined;
  for (const std::string* text : texts_of(const_cast<Document&>(document)))
    joined += (joined.empty() ? "" : "\n\n") + *text;
  return joined;
}

std::string language_of(const Document& document) {
  const std::string language = string_field(document.fields, "lang");
  return language.empty() ? string_field(document.fields, "language") : language;
}

std::string source_of(const Document& document) {
  return string_field(document.fields, "source");
}

std::vector<std::string> words_of(std::string_view text) {
  const UnicodeTables& tables = UnicodeTables::get();
  std::vector<std::string> words;
  std::string word;
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    text.remove_prefix(c.length);
    if (tables.is_word(c.code_point)) {
      append_utf8(word, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c.code_point))));
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

uint64_t mix_hash(uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325 ^ mix_hash(seed);
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return mix_hash(hash);
}

}  // namespace poro
