#include "apps/jsonl.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/error.h"

namespace poro {
namespace {

constexpr int kMaxDepth =
    100;  // As deep as anything sensible, and shallow enough for the recursion of every visitor.

// "parse error at line 1, column 5: syntax error ..." without the library's tag before it.
std::string plain_reason(const std::string& what) {
  const size_t tag_end = what.find("] ");
  return tag_end == std::string::npos ? what : what.substr(tag_end + 2);
}

}  // namespace

Json parse_json_line(std::string_view line) {
  Json value;
  try {
    value = Json::parse(line.begin(), line.end(), [](int depth, Json::parse_event_t, Json&) {
      if (depth > kMaxDepth) fail("nested over {} levels", kMaxDepth);
      return true;
    });
  } catch (const Json::exception& error) {
    fail("not JSON: {}", plain_reason(error.what()));
  }
  if (!value.is_object()) fail("not a JSON object but of type {}", value.type_name());
  return value;
}

std::optional<std::string> JsonlReader::next() {
  std::string line;
  std::array<char, 1 << 16> piece;
  while (true) {
    line.clear();
    ++line_;
    size_t dropped = 0;
    bool has_more = true;
    while (has_more) {
      input_.getline(piece.data(), piece.size());
      // A full buffer without a line's end sets failbit alone; at the end of the input eofbit comes with or
      // without characters.
      has_more = input_.fail() && !input_.eof() && !input_.bad();
      const size_t count = static_cast<size_t>(input_.gcount()) - (input_.good() ? 1 : 0);
      if (has_more) input_.clear();
      if (line.size() + count <= kMaxLineBytes)
        line.append(piece.data(), count);
      else
        dropped += count;
    }
    if (dropped > 0) fail("the line is longer than {} MiB", kMaxLineBytes >> 20);
    if (line.find_first_not_of(" \t\r") != std::string::npos) return line;
    if (!input_.good()) return std::nullopt;
  }
}

std::string JsonlReader::place() const {
  return fmt::format("{}, line {}", name_, line_);
}

void write_json_line(const Json& value) {
  std::string line = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fflush(stdout) != 0)
    throw std::runtime_error("cannot write to standard output");
}

Json LineErrors::add(const std::string& place, const std::string& reason) {
  const std::string sentence = fmt::format("{}: {}", place, reason);
  if (count_++ == 0) first_ = sentence;
  return {{"error", sentence}};
}

void LineErrors::raise() const {
  if (count_ == 1) throw Error(first_);
  if (count_ > 1) fail("{} (and {} more line{} failed)", first_, count_ - 1, count_ == 2 ? "" : "s");
}

void answer_lines(std::istream& input, const std::function<Json(const Json& line)>& answer,
                  const std::function<void()>& finish) {
  JsonlReader reader(input, "standard input");
  LineErrors errors;
  for (bool is_done = false; !is_done;) {
    try {
      const std::optional<std::string> line = reader.next();
      is_done = !line;
      if (line) write_json_line(answer(parse_json_line(*line)));
    } catch (const Error& error) {
      write_json_line(errors.add(reader.place(), error.what()));
    }
  }
  if (finish) finish();
  errors.raise();
}

const Json* Fields::find(std::string_view name) {
  known_.push_back(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> Fields::text(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail("\"{}\" is of type {}, not a string", name, value->type_name());
  return value->get<std::string>();
}

std::optional<int64_t> Fields::integer(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX))
    fail("\"{}\" is {}, not a whole number", name,
         value->is_number() ? value->dump() : std::string(value->type_name()));
  return value->get<int64_t>();
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail("\"{}\" is of type {}, not true or false", name, value->type_name());
  return value->get<bool>();
}

std::optional<std::vector<int32_t>> Fields::ids(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) fail("\"{}\" is of type {}, not an array of token ids", name, value->type_name());
  std::vector<int32_t> ids;
  ids.reserve(value->size());
  for (const Json& id : *value) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      fail("\"{}\" holds {} at index {}, which is no token id", name,
           id.is_primitive() ? id.dump(-1, ' ', false, Json::error_handler_t::replace)
                             : std::string(id.type_name()),
           ids.size());
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

std::vector<std::string> Fields::unknown() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_.items())
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) names.push_back(name);
  return names;
}

}  // namespace poro
