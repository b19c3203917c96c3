// `poro pull` end to end against a hub on loopback: what arrives, in which layout, and what each misfortune
// says.
#include "apps/hub_pull.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>

#include "apps/model_options.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "tests/apps/test_hub.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(size_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((seed = seed * 1664525u + 1013904223u) >> 24);
  return bytes;
}

class HubPullTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* variable : {"http_proxy", "all_proxy", "ALL_PROXY"}) ::unsetenv(variable);
    ::setenv("PORO_LOG", "quiet", 1);
    options_.endpoint = hub_.url();
    options_.cache = cache_.path();
    options_.first_delay = std::chrono::milliseconds(1);
    options_.stall_limit = std::chrono::seconds(1);
  }

  fs::path pull() {
    hub_.settle();
    const fs::path snapshot = poro::pull(options_, {.name = hub_.name});
    hub_.settle();
    return snapshot;
  }

  std::string complaint() {
    try {
      pull();
      return "";
    } catch (const Error& error) {
      hub_.settle();
      return error.what();
    }
  }

  void expect_whole(const fs::path& snapshot) {
    for (const auto& [name, file] : hub_.files)
      EXPECT_TRUE(read_file(snapshot / name) == file.content) << name;
  }

  size_t num_gets(const std::string& name) {
    size_t count = 0;
    for (const auto& seen : hub_.seen())
      count += seen.method == "GET" && seen.path.ends_with("/" + name) && seen.is_content_port;
    return count;
  }

  fs::path repository() const { return cache_ / "models--org--model"; }
  fs::path reference() const { return repository() / "refs/main"; }

  ScratchFolder cache_;
  TestHub hub_;
  HubOptions options_;
};

#define EXPECT_SAYS(sentence, part) EXPECT_NE((sentence).find(part), std::string::npos) << (sentence)

TEST_F(HubPullTest, LaysTheCacheOutAsThePythonLibraryDoes) {
  hub_.files["config.json"].content = "{}";
  hub_.files["empty.txt"].content = "";
  hub_.files["model.safetensors"] = {.content = bytes_of(300'000, 1), .is_large = true};
  hub_.files["sub/folder/notes.md"].content = "hei";
  const fs::path snapshot = pull();
  EXPECT_EQ(snapshot, repository() / "snapshots" / hub_.commit);
  expect_whole(snapshot);
  EXPECT_EQ(read_file(reference()), hub_.commit);
  const std::string hash = TestHub::hash_of(hub_.files["model.safetensors"]);
  EXPECT_EQ(fs::read_symlink(snapshot / "model.safetensors"), "../../blobs/" + hash);
  const std::string notes = TestHub::hash_of(hub_.files["sub/folder/notes.md"]);
  EXPECT_EQ(fs::read_symlink(snapshot / "sub/folder/notes.md"), "../../../../blobs/" + notes);
  EXPECT_EQ(TestHub::hash_of(hub_.files["empty.txt"]),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");  // As git says.
  for (const auto& blob : fs::directory_iterator(repository() / "blobs"))
    EXPECT_NE(blob.path().extension(), ".incomplete");
  // Again: nothing large is fetched.
  pull();
  EXPECT_EQ(num_gets("model.safetensors"), 1u);
}

TEST_F(HubPullTest, FetchesAShardedModelThatOpens) {
  const ScratchFolder made;
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 32;
  std::vector<std::vector<std::byte>> memory;
  std::vector<NamedTensor> tensors;
  for (const WeightSpec& weight : weight_table(config)) {
    Tensor tensor{.dtype = DType::kBF16, .shape = weight.shape};
    tensor.data = memory.emplace_back(tensor.bytes(), std::byte{1}).data();
    tensors.push_back({weight.name, tensor});
  }
  save_checkpoint(made.path(), config, tensors, {.max_shard_bytes = 100'000});
  for (const auto& entry : fs::directory_iterator(made.path()))
    hub_.files[entry.path().filename()] = {.content = read_file(entry.path()),
                                           .is_large = entry.path().extension() == ".safetensors"};
  hub_.files["pytorch_model-00001-of-00002.bin"] = {.content = "pickle", .is_large = true};
  hub_.files["original/consolidated.00.pth"] = {.content = "pickle", .is_large = true};
  ASSERT_GT(hub_.files.size(), 6u);
  const fs::path snapshot = pull();
  EXPECT_EQ(Checkpoint::open(snapshot).tensors().size(), tensors.size());
  EXPECT_FALSE(fs::exists(snapshot / "pytorch_model-00001-of-00002.bin"));
  EXPECT_FALSE(fs::exists(snapshot / "original"));
  ::setenv("HF_HUB_CACHE", cache_.path().c_str(), 1);
  EXPECT_EQ(model_folder("org/model"), snapshot);
  EXPECT_THROW(model_folder("org/other"), Error);
}

TEST_F(HubPullTest, GoesOnAfterCuts) {
  hub_.files["a.safetensors"] = {
      .content = bytes_of(1'000'000, 2), .is_large = true, .cut_after = 100'000, .num_cuts = 8};
  hub_.files["b.json"] = {.content = bytes_of(5'000, 3), .cut_after = 1'000, .num_cuts = 2};
  hub_.files["c.json"] = {
      .content = bytes_of(5'000, 4), .cut_after = 4'000, .num_cuts = 1, .ignores_ranges = true};
  hub_.files["d.json"] = {.content = bytes_of(5'000, 5), .num_unavailable = 3};
  expect_whole(pull());
  EXPECT_EQ(num_gets("a.safetensors"),
            9u);  // Each of the cuts had brought something, so they were not too many.
}

TEST_F(HubPullTest, GoesOnInAnotherRun) {
  hub_.files["a.safetensors"] = {
      .content = bytes_of(400'000, 2), .is_large = true, .cut_after = 150'000, .num_cuts = 1};
  options_.num_retries = 0;
  const std::string sentence = complaint();
  EXPECT_SAYS(sentence, "a.safetensors");
  EXPECT_SAYS(sentence, "run the same command again");
  EXPECT_FALSE(fs::exists(reference()));
  const std::string hash = TestHub::hash_of(hub_.files["a.safetensors"]);
  EXPECT_EQ(fs::file_size(repository() / "blobs" / (hash + ".incomplete")), 150'000u);
  expect_whole(pull());
  bool has_asked_for_the_rest = false;
  for (const auto& seen : hub_.seen())
    has_asked_for_the_rest |= seen.headers.find("Range: bytes=150000-\r\n") != std::string::npos;
  EXPECT_TRUE(has_asked_for_the_rest);
}

TEST_F(HubPullTest, GivesUpOnAServerThatStalls) {
  hub_.files["a.json"] = {.content = bytes_of(4'000, 2), .stalls = true};
  options_.num_retries = 0;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_SAYS(complaint(), "cannot fetch a.json");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(HubPullTest, DiscardsWhatDoesNotMatchItsHash) {
  hub_.files["a.safetensors"] = {
      .content = bytes_of(1'000, 2), .is_large = true, .served_instead = bytes_of(1'000, 3)};
  EXPECT_SAYS(complaint(), "a.safetensors arrived damaged");
  hub_.files["a.safetensors"].served_instead = bytes_of(2'000, 2);
  EXPECT_SAYS(complaint(), "a.safetensors is longer than the 1000 bytes");
  hub_.files["a.safetensors"].served_instead.clear();
  hub_.files["b.json"] = {.content = "{}", .served_instead = "[]"};
  EXPECT_SAYS(complaint(), "b.json arrived damaged");
  EXPECT_FALSE(fs::exists(reference()));
  EXPECT_FALSE(fs::exists(repository() / "snapshots" / hub_.commit / "b.json"));
  hub_.files["b.json"].served_instead.clear();
  expect_whole(pull());
}

TEST_F(HubPullTest, StartsAgainWhenTheIncompleteFileIsSpoiled) {
  hub_.files["a.safetensors"] = {.content = bytes_of(1'000, 2), .is_large = true};
  const fs::path incomplete =
      repository() / "blobs" / (TestHub::hash_of(hub_.files["a.safetensors"]) + ".incomplete");
  fs::create_directories(incomplete.parent_path());
  write_file_atomic(incomplete, std::string(5'000, 'x'));  // Longer than the file.
  expect_whole(pull());
  fs::remove_all(repository());
  fs::create_directories(incomplete.parent_path());
  write_file_atomic(incomplete, std::string(500, 'x'));  // Other bytes.
  EXPECT_SAYS(complaint(), "arrived damaged");
  expect_whole(pull());
}

TEST_F(HubPullTest, SendsTheTokenToTheHubOnly) {
  hub_.required_token = "hf_secret";
  hub_.files["a.safetensors"] = {.content = bytes_of(1'000, 2), .is_large = true};
  EXPECT_SAYS(complaint(), "set HF_TOKEN");
  options_.token = "hf_wrong";
  const std::string sentence = complaint();
  EXPECT_SAYS(sentence, "does not let this access token read model org/model (status 401)");
  EXPECT_EQ(sentence.find("hf_wrong"), std::string::npos);
  options_.token = "hf_secret";
  testing::internal::CaptureStderr();
  ::setenv("PORO_LOG", "info", 1);
  expect_whole(pull());
  EXPECT_EQ(testing::internal::GetCapturedStderr().find("hf_"), std::string::npos);
  size_t num_content = 0;
  for (const auto& seen : hub_.seen())
    if (seen.is_content_port) {
      ++num_content;
      EXPECT_EQ(seen.headers.find("Authorization"), std::string::npos);
    }
  EXPECT_EQ(num_content, 1u);
}

TEST_F(HubPullTest, SaysWhatTheHubRefuses) {
  hub_.status = 404;
  EXPECT_SAYS(complaint(), "has no model org/model");
  hub_.status = 403;
  EXPECT_SAYS(complaint(), "accept its licence");
  hub_.status = 500;
  EXPECT_SAYS(complaint(), "status 500");
  hub_.status = 418;
  EXPECT_SAYS(complaint(), "status 418");
  hub_.status = 0;
  hub_.extra_names = {"../../.bashrc"};
  EXPECT_SAYS(complaint(), "\"../../.bashrc\", which would leave its folder");
  hub_.extra_names = {"/etc/passwd"};
  EXPECT_SAYS(complaint(), "\"/etc/passwd\", which would leave its folder");
  hub_.extra_names = {"gone.json"};
  EXPECT_SAYS(complaint(), "has no gone.json");
  hub_.extra_names.clear();
  hub_.commit = "../../../etc";
  EXPECT_SAYS(complaint(), "names no commit");
  EXPECT_FALSE(fs::exists(reference()));
  options_.endpoint = "http://127.0.0.1:1";
  EXPECT_SAYS(complaint(), "cannot fetch org/model");
  EXPECT_THROW(poro::pull(options_, {.name = "../x"}), Error);
  EXPECT_THROW(poro::pull(options_, {.name = "a/b/c"}), Error);
  EXPECT_THROW(poro::pull(options_, {.name = "org/model", .revision = "../main"}), Error);
}

TEST_F(HubPullTest, KeepsNothingHalfNamedWhenTheDiskIsFull) {
  hub_.files["a.safetensors"] = {.content = bytes_of(300'000, 2), .is_large = true};
  hub_.lists_sizes = false;
  // A limit on the size of files ends a write as a full disk does.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit tight{.rlim_cur = 100'000, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  const std::string sentence = complaint();
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_SAYS(sentence, "cannot write");
  EXPECT_SAYS(sentence, "make room");
  EXPECT_FALSE(fs::exists(reference()));
  for (const auto& blob : fs::directory_iterator(repository() / "blobs"))
    EXPECT_EQ(blob.path().extension(), ".incomplete");
  EXPECT_TRUE(fs::is_empty(repository() / "snapshots" / hub_.commit));
  expect_whole(pull());
}

TEST(HubCache, KnowsNamesThatLeaveTheirFolder) {
  for (const char* safe : {"a", "a/b.json", ".gitattributes", "a..b", "..."})
    EXPECT_TRUE(is_safe_path(safe)) << safe;
  for (const char* unsafe : {"", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", ".", "./a", "a\\..\\b"})
    EXPECT_FALSE(is_safe_path(unsafe)) << unsafe;
  EXPECT_FALSE(is_safe_path(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_safe_path(std::string(256, 'a')));
}

TEST(Digest, IsWhatTheStandardSays) {
  Digest sha1(Digest::Kind::kSha1), sha256(Digest::Kind::kSha256);
  for (Digest* digest : {&sha1, &sha256})
    for (const char* part : {"a", "bc"}) digest->update(part);
  EXPECT_EQ(sha1.hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha256.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace poro
