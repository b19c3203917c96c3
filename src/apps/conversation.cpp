#include "apps/conversation.h"

#include "base/error.h"
#include "base/file.h"

namespace poro {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;

bool has_system(const Json& messages) {
  return !messages.empty() && messages[0]["role"] == "system";
}

}  // namespace

void Conversation::add(const std::string& role, const std::string& content) {
  messages_.push_back({{"role", role}, {"content", content}});
}

void Conversation::remove_last() {
  messages_.erase(messages_.size() - 1);
}

void Conversation::set_system(const std::string& text) {
  if (has_system(messages_)) messages_.erase(0);
  if (!text.empty()) messages_.insert(messages_.begin(), Json{{"role", "system"}, {"content", text}});
}

std::string Conversation::system() const {
  return has_system(messages_) ? messages_[0]["content"].get<std::string>() : "";
}

void Conversation::reset() {
  const std::string kept = system();
  messages_ = Json::array();
  set_system(kept);
}

void Conversation::save(const std::filesystem::path& file) const {
  write_file_atomic(file,
                    Json{{"messages", messages_}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Conversation::load(const std::filesystem::path& file) {
  try {
    const Json whole = parse_json_line(read_file(file, kMaxFileBytes));
    const auto messages = whole.find("messages");
    if (messages == whole.end() || !messages->is_array()) fail("there is no array \"messages\"");
    for (const Json& message : *messages)
      if (!message.is_object() || !message.contains("role") || !message["role"].is_string() ||
          !message.contains("content") || !message["content"].is_string())
        fail("every message needs a \"role\" and a \"content\", both strings");
    messages_ = *messages;
  } catch (const Error& error) {
    fail("{} is no conversation: {}", file.string(), error.what());
  }
}

}  // namespace poro
