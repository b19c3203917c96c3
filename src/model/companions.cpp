#include "model/companions.h"

#include "base/file.h"

namespace poro {

void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "tokenizer.model",
                           "chat_template.jinja", "chat_template.json", "generation_config.json",
                           "special_tokens_map.json", "LICENSE", "LICENSE.txt", "NOTICE"})
    if (std::filesystem::exists(from / name)) write_file_atomic(to / name, read_file(from / name));
}

}  // namespace poro
