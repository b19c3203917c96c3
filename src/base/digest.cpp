#include "base/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/error.h"
#include "base/file.h"

namespace poro {
namespace {

EVP_MD_CTX* context_of(void* context) {
  return static_cast<EVP_MD_CTX*>(context);
}

std::string finish_with(Digest& digest, const MappedFile& file) {
  const auto bytes = file.bytes();
  digest.update({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return digest.hex();
}

}  // namespace

void Digest::Free::operator()(void* context) const {
  EVP_MD_CTX_free(context_of(context));
}

Digest::Digest(Kind kind) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* algorithm = kind == Kind::kSha1     ? EVP_sha1()
                            : kind == Kind::kSha256 ? EVP_sha256()
                                                    : EVP_sha512();
  CHECK(context_ != nullptr && EVP_DigestInit_ex(context_of(context_.get()), algorithm, nullptr) == 1,
        "no digest");
}

void Digest::update(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()) == 1, "{} bytes",
        bytes.size());
}

std::string Digest::bytes() {
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(context_of(context_.get()), value, &size) == 1, "digest");
  return {reinterpret_cast<const char*>(value), size};
}

std::string Digest::hex() {
  std::string text;
  for (const char byte : bytes()) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string sha256(std::string_view bytes) {
  Digest digest(Digest::Kind::kSha256);
  digest.update(bytes);
  return digest.hex();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  Digest digest(Digest::Kind::kSha256);
  return finish_with(digest, MappedFile(path));
}

std::string git_blob_id_of_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  Digest digest(Digest::Kind::kSha1);
  const std::string head = fmt::format("blob {}", file.bytes().size());
  digest.update({head.c_str(), head.size() + 1});  // With the zero byte.
  return finish_with(digest, file);
}

}  // namespace poro
