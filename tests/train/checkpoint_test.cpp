// Checkpoints: whole or not there, and read by any number of ranks.
#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/train/small_run.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

// Fills master weights and moments with numbers that tell where they belong.
void number(Shards& shards, double salt) {
  for (const Shards::Owned& piece : shards.owned())
    for (int64_t i = 0; i < piece.master.elements(); ++i) {
      const double value = static_cast<double>(piece.weight * 100000 + piece.first + i) + salt;
      store_element(piece.master, i, value);
      store_element(piece.moment1, i, -value);
      store_element(piece.moment2, i, value / 2);
    }
}

void expect_numbered(const Shards& shards, double salt) {
  for (const Shards::Owned& piece : shards.owned())
    for (int64_t i = 0; i < piece.master.elements(); ++i) {
      const auto value =
          static_cast<float>(static_cast<double>(piece.weight * 100000 + piece.first + i) + salt);
      ASSERT_EQ(piece.master.as<float>()[i], value);
      ASSERT_EQ(piece.moment1.as<float>()[i], -value);
      ASSERT_EQ(piece.moment2.as<float>()[i], value / 2);
    }
}

void with_shards(int ranks, int64_t zero, const std::function<void(Comm&, Shards&)>& body) {
  run_ranks(ranks, [&](Comm& comm) {
    const auto device = Device::cpu(1);
    Shards shards(*device, comm, small_config(), {.zero = zero});
    body(comm, shards);
  });
}

void save(const fs::path& folder, int ranks, int64_t zero, const std::vector<int64_t>& steps,
          int64_t keep_last = 3, int64_t keep_every = 0) {
  with_shards(ranks, zero, [&](Comm& comm, Shards& shards) {
    CheckpointWriter writer(shards, comm,
                            {.folder = folder, .keep_last = keep_last, .keep_every = keep_every});
    for (const int64_t step : steps) {
      number(shards, static_cast<double>(step));
      writer.save(step, {{"answer", 42}, {"step", step}});
      number(shards, -1);  // What changes afterwards is not in it.
    }
    EXPECT_TRUE(writer.finish());
  });
}

void expect_loads(const fs::path& folder, int ranks, int64_t zero, int64_t step) {
  with_shards(ranks, zero, [&](Comm& comm, Shards& shards) {
    const auto loaded = load_latest_checkpoint(folder, shards, comm);
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->step, step);
    EXPECT_EQ(loaded->state.at("answer"), 42);
    expect_numbered(shards, static_cast<double>(step));
  });
}

TEST(Checkpoint, OfAnyRanksLoadsOnAnyOthers) {
  const std::vector<std::pair<int, int64_t>> shapes = {{1, 0}, {2, 0}, {2, 1}, {3, 2}, {4, 3}};
  for (const auto& [ranks, zero] : shapes) {
    ScratchFolder folder;
    save(folder.path(), ranks, zero, {7});
    for (const auto& [other_ranks, other_zero] : shapes)
      expect_loads(folder.path(), other_ranks, other_zero, 7);
  }
}

TEST(Checkpoint, KeepsTheLastOnesAndEveryMth) {
  ScratchFolder folder;
  save(folder.path(), 1, 0, {1, 2, 3, 4, 5, 6, 7, 8}, 2, 3);
  EXPECT_EQ(checkpoint_steps(folder.path()), (std::vector<int64_t>{3, 6, 7, 8}));
}

TEST(Checkpoint, ThatIsDamagedAnywhereIsPassedOver) {
  for (const char* file : {"rank-00000.state", "rank-00000.json", "checkpoint.json"})
    for (const bool is_cut : {true, false}) {
      ScratchFolder folder;
      save(folder.path(), 2, 1, {1, 2});
      const fs::path path = folder / "step-2" / file;
      std::string bytes = read_file(path);
      if (is_cut)
        bytes.resize(bytes.size() / 2);
      else
        bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 4);
      write_file_atomic(path, bytes);
      expect_loads(folder.path(), 2, 1, 1);
      fs::remove(path);
      expect_loads(folder.path(), 1, 0, 1);
    }
}

TEST(Checkpoint, ThatWasNotFinishedIsNotThere) {
  ScratchFolder folder;
  save(folder.path(), 1, 0, {1});
  fs::create_directories(folder / "step-9.partial");
  expect_loads(folder.path(), 1, 0, 1);
  remove_partial_checkpoints(folder.path());
  EXPECT_FALSE(fs::exists(folder / "step-9.partial"));
  ScratchFolder empty;
  with_shards(1, 0, [&](Comm& comm, Shards& shards) {
    EXPECT_FALSE(load_latest_checkpoint(empty.path(), shards, comm));
  });
}

TEST(Checkpoint, OfAnotherModelIsRefused) {
  ScratchFolder folder;
  save(folder.path(), 1, 0, {1});
  LlamaConfig other = small_config();
  other.vocab_size = 512;
  const auto device = Device::cpu(1);
  const auto comm = solo_comm();
  Shards shards(*device, *comm, other, {});
  EXPECT_THROW(load_latest_checkpoint(folder.path(), shards, *comm), Error);
}

// A limit on the size of files stands in for a full disk: both make a write fail.
TEST(Checkpoint, ThatFindsNoRoomIsWarnedOfAndTheNextOneIsWritten) {
  ScratchFolder folder;
  const auto device = Device::cpu(1);
  const auto comm = solo_comm();
  Shards shards(*device, *comm, small_config(), {});
  CheckpointWriter writer(shards, *comm, {.folder = folder.path()});
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  number(shards, 1);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  writer.save(1, {});
  const bool is_written = writer.finish();
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(is_written);
  EXPECT_TRUE(writer.has_failed());
  EXPECT_TRUE(checkpoint_steps(folder.path()).empty());
  number(shards, 2);
  writer.save(2, {{"answer", 42}});
  EXPECT_TRUE(writer.finish());
  EXPECT_FALSE(writer.has_failed());
  expect_loads(folder.path(), 1, 0, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace poro
