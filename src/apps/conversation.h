// What was said so far, as the chat template and the files of conversations have it: {"messages": [{"role",
// "content"}]}.
#pragma once

#include <filesystem>
#include <string>

#include "apps/jsonl.h"

namespace poro {

class Conversation {
 public:
  void add(const std::string& role, const std::string& content);
  void remove_last();
  // Replaces the system message, or takes it away when the text is empty.
  void set_system(const std::string& text);
  std::string system() const;
  // Forgets everything but the system message.
  void reset();

  // Throws Error, and a failed load changes nothing.
  void save(const std::filesystem::path& file) const;
  void load(const std::filesystem::path& file);

  const Json& messages() const { return messages_; }

 private:
  Json messages_ = Json::array();
};

}  // namespace poro
