#include "model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace poro {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // The limit of the format's own library.
constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxRank = 64;

// The format's types and their sizes. Those with a `dtype` can become tensors; the others are only carried.
struct FileType {
  std::string_view name;
  uint64_t bits;
  std::optional<DType> dtype;
};
constexpr FileType kFileTypes[] = {
    {"F64", 64, DType::kF64}, {"F32", 32, DType::kF32}, {"F16", 16, DType::kF16}, {"BF16", 16, DType::kBF16},
    {"I32", 32, DType::kI32}, {"I8", 8, DType::kI8},    {"I64", 64, {}},          {"U64", 64, {}},
    {"U32", 32, {}},          {"I16", 16, {}},          {"U16", 16, {}},          {"U8", 8, {}},
    {"BOOL", 8, {}},          {"C64", 64, {}},          {"F8_E5M2", 8, {}},       {"F8_E4M3", 8, {}},
    {"F8_E8M0", 8, {}},       {"F6_E2M3", 6, {}},       {"F6_E3M2", 6, {}},       {"F4", 4, {}},
};

const FileType* find_file_type(std::string_view name) {
  const auto* found = std::ranges::find(kFileTypes, name, &FileType::name);
  return found == std::end(kFileTypes) ? nullptr : found;
}

// Receives the header as a stream of JSON events, which, unlike a parsed object, shows repeated names and
// costs no tree.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::string& where, std::map<std::string, SafetensorsEntry>& entries,
               std::map<std::string, std::string>* metadata)
      : where_(where), entries_(entries), metadata_(metadata) {}

  bool start_object(size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTensorStart) {
      place_ = Place::kTensor;
    } else if (place_ == Place::kMetadataStart) {
      place_ = Place::kMetadata;
    } else {
      fail_here("an object");
    }
    return true;
  }

  bool key(std::string& name) override {
    if (place_ == Place::kTop) {
      if (!names_.insert(name).second)
        fail("{}: the tensor \"{}\" appears twice in the header", where_, quote(name));
      name_ = name;
      entry_ = {};
      has_dtype_ = has_shape_ = false;
      offsets_.clear();
      fields_.clear();
      place_ = name == "__metadata__" ? Place::kMetadataStart : Place::kTensorStart;
    } else if (place_ == Place::kMetadata) {
      if (!fields_.insert(name).second) fail("{}: \"__metadata__\" has \"{}\" twice", where_, quote(name));
      metadata_key_ = name;
    } else {
      if (!fields_.insert(name).second)
        fail("{}: the tensor \"{}\" has \"{}\" twice", where_, quote(name_), quote(name));
      if (name == "dtype")
        place_ = Place::kDtype;
      else if (name == "shape")
        place_ = Place::kShapeStart;
      else if (name == "data_offsets")
        place_ = Place::kOffsetsStart;
      else
        fail("{}: the tensor \"{}\" has an unknown field \"{}\"", where_, quote(name_), quote(name));
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) {
      if (!has_dtype_ || !has_shape_ || offsets_.size() != 2)
        fail("{}: the tensor \"{}\" lacks one of dtype, shape and a pair of data_offsets", where_,
             quote(name_));
      entry_.begin = offsets_[0];
      entry_.end = offsets_[1];
      entries_.emplace(name_, std::move(entry_));
      place_ = Place::kTop;
    } else if (place_ == Place::kMetadata) {
      place_ = Place::kTop;
    }
    return true;
  }

  bool start_array(size_t) override {
    if (place_ == Place::kShapeStart)
      place_ = Place::kShape;
    else if (place_ == Place::kOffsetsStart)
      place_ = Place::kOffsets;
    else
      fail_here("a list");
    return true;
  }

  bool end_array() override {
    has_shape_ |= place_ == Place::kShape;
    place_ = Place::kTensor;
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::kDtype) {
      entry_.dtype = text;
      has_dtype_ = true;
      place_ = Place::kTensor;
    } else if (place_ == Place::kMetadata) {
      if (metadata_ != nullptr) (*metadata_)[metadata_key_] = text;
    } else {
      fail_here("a string");
    }
    return true;
  }

  bool number_unsigned(uint64_t number) override {
    if (place_ == Place::kShape) {
      if (number > static_cast<uint64_t>(INT64_MAX) || entry_.shape.size() >= kMaxRank)
        fail("{}: the tensor \"{}\" has an impossible shape", where_, quote(name_));
      entry_.shape.push_back(static_cast<int64_t>(number));
    } else if (place_ == Place::kOffsets && offsets_.size() < 2) {
      offsets_.push_back(number);
    } else {
      fail_here("a number");
    }
    return true;
  }

  bool number_integer(int64_t number) override { fail_here(std::to_string(number)); }
  bool number_float(double, const std::string& text) override { fail_here(text); }
  bool null() override { fail_here("null"); }
  bool boolean(bool) override { fail_here("true or false"); }
  bool binary(binary_t&) override { fail_here("bytes"); }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    fail("{}: the header is not valid JSON at its byte {}", where_, position);
  }

 private:
  enum class Place {
    kStart,
    kTop,
    kMetadataStart,
    kMetadata,
    kTensorStart,
    kTensor,
    kDtype,
    kShapeStart,
    kShape,
    kOffsetsStart,
    kOffsets
  };

  [[noreturn]] void fail_here(const std::string& found) const {
    if (place_ == Place::kStart)
      fail("{}: the header should be a JSON object, but is {}", where_, quote(found));
    fail("{}: the header of \"{}\" has {} where the format allows none", where_, quote(name_), quote(found));
  }

  const std::string& where_;
  std::map<std::string, SafetensorsEntry>& entries_;
  std::map<std::string, std::string>* metadata_;
  std::set<std::string> names_, fields_;  // Seen in the file, and in the object being read.
  Place place_ = Place::kStart;
  std::string name_, metadata_key_;
  SafetensorsEntry entry_;
  bool has_dtype_ = false, has_shape_ = false;
  std::vector<uint64_t> offsets_;
};

// The bytes that `entry`'s shape and type take. Throws Error for an unknown type and for a product outside of
// 64 bits.
uint64_t data_bytes(const SafetensorsEntry& entry, const std::string& name, const std::string& where) {
  const FileType* type = find_file_type(entry.dtype);
  if (type == nullptr)
    fail("{}: the tensor \"{}\" has the unknown dtype \"{}\"", where, quote(name), quote(entry.dtype));
  uint64_t bits = type->bits;
  for (const int64_t dim : entry.shape)
    if (__builtin_mul_overflow(bits, static_cast<uint64_t>(dim), &bits))
      fail("{}: the shape of the tensor \"{}\" overflows 64 bits", where, quote(name));
  if (bits % 8 != 0) fail("{}: the tensor \"{}\" does not fill whole bytes", where, quote(name));
  return bits / 8;
}

// Offsets as the format wants them: each as long as the tensor, inside the data, one after the other without
// overlap or hole. Turns them into positions in the file.
void check_ranges(std::map<std::string, SafetensorsEntry>& entries, uint64_t data_start, uint64_t size,
                  const std::string& where) {
  const uint64_t available = size - data_start;
  std::vector<std::pair<const std::string, SafetensorsEntry>*> in_order;
  for (auto& item : entries) {
    const auto& [name, entry] = item;
    const uint64_t expected = data_bytes(entry, name, where);
    if (entry.begin > entry.end)
      fail("{}: the tensor \"{}\" ends (byte {}) before it begins (byte {})", where, quote(name), entry.end,
           entry.begin);
    if (entry.end > available)
      fail(
          "{}: the tensor \"{}\" reaches to byte {} of the data, but only {} are there; the file is cut off "
          "or not whole, so "
          "fetch it again",
          where, quote(name), entry.end, available);
    if (entry.end - entry.begin != expected)
      fail("{}: the tensor \"{}\" takes {} bytes by its shape, but its range has {}", where, quote(name),
           expected, entry.end - entry.begin);
    in_order.push_back(&item);
  }
  std::ranges::sort(in_order, {},
                    [](const auto* item) { return std::pair(item->second.begin, item->second.end); });
  uint64_t filled = 0;
  for (auto* item : in_order) {
    SafetensorsEntry& entry = item->second;
    if (entry.begin < filled)
      fail("{}: the tensor \"{}\" overlaps the one before it", where, quote(item->first));
    if (entry.begin > filled)
      fail("{}: {} bytes before the tensor \"{}\" belong to no tensor", where, entry.begin - filled,
           quote(item->first));
    filled = entry.end;
    entry.begin += data_start;
    entry.end += data_start;
  }
  if (filled != available)
    fail("{}: {} bytes after the last tensor belong to none", where, available - filled);
}

}  // namespace

std::map<std::string, SafetensorsEntry> parse_safetensors_header(
    std::span<const std::byte> bytes, const std::string& where,
    std::map<std::string, std::string>* metadata) {
  if (bytes.size() < kLengthBytes)
    fail("{} has {} bytes, too few for a safetensors file", where, bytes.size());
  uint64_t length = 0;
  for (size_t i = kLengthBytes; i-- > 0;) length = length << 8 | std::to_integer<uint64_t>(bytes[i]);
  if (length > kMaxHeaderBytes)
    fail("{} claims a header of {} bytes; no safetensors file has more than {}", where, length,
         kMaxHeaderBytes);
  if (length > bytes.size() - kLengthBytes)
    fail("{} claims a header of {} bytes, but only {} follow; the file is cut off, so fetch it again", where,
         length, bytes.size() - kLengthBytes);
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (!header.starts_with('{'))
    fail("{}: the header should begin with \"{{\"; this is no safetensors file", where);

  std::map<std::string, SafetensorsEntry> entries;
  HeaderReader reader(where, entries, metadata);
  nlohmann::json::sax_parse(header, &reader);
  check_ranges(entries, kLengthBytes + length, bytes.size(), where);
  return entries;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(path), entries_(parse_safetensors_header(file_.bytes(), path.string())) {}

Tensor SafetensorsFile::tensor(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail("{} holds no tensor \"{}\"", path_.string(), quote(name));
  const SafetensorsEntry& entry = found->second;
  const std::optional<DType> dtype = find_file_type(entry.dtype)->dtype;
  if (!dtype)
    fail("{}: the tensor \"{}\" is stored as {}, which is not supported", path_.string(), quote(name),
         entry.dtype);
  const std::optional<Shape> shape = Shape::from(entry.shape);
  if (!shape)
    fail("{}: the tensor \"{}\" has {} dimensions; at most {} are supported", path_.string(), quote(name),
         entry.shape.size(), Shape::kMaxRank);
  // Views never write: the mapping is read-only, and a Tensor has no const form.
  std::byte* data = const_cast<std::byte*>(file_.bytes().data()) + entry.begin;
  if (reinterpret_cast<uintptr_t>(data) % (static_cast<size_t>(dtype_bits(*dtype)) / 8) != 0) {
    const size_t bytes = entry.end - entry.begin;
    aligned_copies_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
    std::memcpy(aligned_copies_.back().get(), data, bytes);
    data = aligned_copies_.back().get();
  }
  return {.data = data, .dtype = *dtype, .shape = *shape};
}

std::span<const std::byte> SafetensorsFile::bytes(const std::string& name) const {
  const SafetensorsEntry& entry = entries_.at(name);
  return file_.bytes().subspan(entry.begin, entry.end - entry.begin);
}

void write_safetensors(AtomicFile& file, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  // Wide types first, so that every tensor starts at a multiple of its element's size.
  std::vector<NamedTensor> in_order(tensors.begin(), tensors.end());
  std::ranges::stable_sort(in_order, std::greater<>(),
                           [](const NamedTensor& named) { return dtype_bits(named.tensor.dtype); });

  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  uint64_t offset = 0;
  std::set<std::string_view> names{"__metadata__"};
  for (const auto& [name, tensor] : in_order) {
    const auto* type = std::ranges::find(kFileTypes, std::optional(tensor.dtype), &FileType::dtype);
    CHECK(type != std::end(kFileTypes), "{} is {}", name, tensor.str());
    CHECK(names.insert(name).second, "{} is a name taken already", name);
    nlohmann::ordered_json shape = nlohmann::ordered_json::array();
    for (int i = 0; i < tensor.shape.rank(); ++i) shape.push_back(tensor.dim(i));
    json[name] = {
        {"dtype", type->name}, {"shape", shape}, {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string header = json.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');  // The data starts at a multiple of 8.
  char length[kLengthBytes];
  for (size_t i = 0; i < kLengthBytes; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  file.write(length, sizeof length);
  file.write(header.data(), header.size());
  for (const NamedTensor& named : in_order) file.write(named.tensor.data, named.tensor.bytes());
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  AtomicFile file(path);
  write_safetensors(file, tensors, metadata);
  file.commit();
}

}  // namespace poro
