#include "text/vocabulary.h"

namespace poro {

size_t Vocabulary::slot_of(std::string_view token, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto upper = static_cast<uint32_t>(hash >> 32);
  size_t slot = hash & mask;
  while (slots_[slot].id >= 0 && (slots_[slot].hash != upper || bytes(slots_[slot].id) != token))
    slot = (slot + 1) & mask;
  return slot;
}

void Vocabulary::grow() {
  slots_.assign(slots_.empty() ? 1024 : slots_.size() * 2, {0, -1});
  for (int32_t id = 0; id < id_limit(); ++id) {
    if (!has(id)) continue;
    const uint64_t hash = hash_bytes(bytes(id));
    slots_[slot_of(bytes(id), hash)] = {static_cast<uint32_t>(hash >> 32), id};
  }
}

bool Vocabulary::add(std::string_view token, int32_t id) {
  if ((num_tokens_ + 1) * 2 > slots_.size()) grow();
  const uint64_t hash = hash_bytes(token);
  const size_t slot = slot_of(token, hash);
  if (slots_[slot].id >= 0 || has(id)) return false;
  if (id >= id_limit()) places_.resize(static_cast<size_t>(id) + 1);
  places_[id] = {.start = arena_.size(), .length = static_cast<uint32_t>(token.size()), .is_taken = true};
  arena_.append(token);
  slots_[slot] = {static_cast<uint32_t>(hash >> 32), id};
  ++num_tokens_;
  return true;
}

}  // namespace poro
