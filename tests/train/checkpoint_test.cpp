// Checkpoints: whole or not there, and read by any number of ranks.
#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstring>
#include <map>

#include "tests/train/small_run.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

// Weights whose every element tells where it belongs, in a whole model.
class Numbered {
 public:
  explicit Numbered(double salt) {
    double weight = 0;
    for (const WeightSpec& spec : weight_table(small_config())) {
      const Tensor tensor = arena_.tensor(DType::kF32, spec.shape);
      for (int64_t i = 0; i < tensor.elements(); ++i)
        store_element(tensor, i, 100000 * weight + static_cast<double>(i) + salt);
      tensors_[spec.name] = tensor;
      weight += 1;
    }
  }
  Shards::Source source() const {
    return [this](const WeightSpec& spec) { return tensors_.at(spec.name); };
  }

 private:
  Arena arena_{"test"};
  std::map<std::string, Tensor> tensors_;
};

void number(Shards& shards, double salt) {
  shards.fill(Numbered(salt).source());
  for (const Shards::Owned& piece : shards.owned())
    for (int64_t i = 0; i < piece.master.elements(); ++i) {
      store_element(piece.moment1, i, -load_element(piece.master, i));
      store_element(piece.moment2, i, load_element(piece.master, i) / 2);
    }
}

void expect_numbered(Shards& shards, double salt) {
  const Numbered want(salt);
  for (size_t i = 0; i < shards.table().size(); ++i) {
    const Tensor got = shards.whole_weight(static_cast<int64_t>(i)),
                 expected = want.source()(shards.table()[i]);
    ASSERT_EQ(got.shape, expected.shape);
    ASSERT_EQ(std::memcmp(got.data, expected.data, got.bytes()), 0) << shards.table()[i].name;
  }
  for (const Shards::Owned& piece : shards.owned())
    for (int64_t i = 0; i < piece.master.elements(); ++i) {
      ASSERT_EQ(piece.moment1.as<float>()[i], -piece.master.as<float>()[i]);
      ASSERT_EQ(piece.moment2.as<float>()[i], piece.master.as<float>()[i] / 2);
    }
}

struct Sharing {
  int ranks = 1;
  int64_t zero = 0;
  int tensor = 1;
};

void with_shards(const Sharing& sharing, const std::function<void(Comm&, Shards&)>& body) {
  run_ranks(sharing.ranks, [&](Comm& comm) {
    const auto device = Device::cpu(1);
    const auto tensor_ranks = comm.split(comm.rank() / sharing.tensor),
               replicas = comm.split(comm.rank() % sharing.tensor);
    Shards shards(*device, *replicas, small_config(),
                  {.zero = sharing.zero, .tensor_ranks = tensor_ranks.get()});
    body(comm, shards);
  });
}

void save(const fs::path& folder, const Sharing& sharing, const std::vector<int64_t>& steps,
          int64_t keep_last = 3, int64_t keep_every = 0) {
  with_shards(sharing, [&](Comm& comm, Shards& shards) {
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

void expect_loads(const fs::path& folder, const Sharing& sharing, int64_t step) {
  with_shards(sharing, [&](Comm& comm, Shards& shards) {
    const auto loaded = load_latest_checkpoint(folder, shards, comm);
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->step, step);
    EXPECT_EQ(loaded->state.at("answer"), 42);
    expect_numbered(shards, static_cast<double>(step));
  });
}

TEST(Checkpoint, OfAnyRanksLoadsOnAnyOthers) {
  const std::vector<Sharing> sharings = {{1, 0, 1}, {2, 0, 1}, {2, 1, 1}, {3, 2, 1},
                                         {4, 3, 1}, {2, 0, 2}, {4, 0, 2}, {4, 3, 2}};
  for (const Sharing& sharing : sharings) {
    ScratchFolder folder;
    save(folder.path(), sharing, {7});
    for (const Sharing& other : sharings) expect_loads(folder.path(), other, 7);
  }
}

TEST(Checkpoint, KeepsTheLastOnesAndEveryMth) {
  ScratchFolder folder;
  save(folder.path(), {}, {1, 2, 3, 4, 5, 6, 7, 8}, 2, 3);
  EXPECT_EQ(checkpoint_steps(folder.path()), (std::vector<int64_t>{3, 6, 7, 8}));
}

TEST(Checkpoint, ThatIsDamagedAnywhereIsPassedOver) {
  for (const char* file : {"rank-00000.state", "rank-00000.json", "checkpoint.json"})
    for (const bool is_cut : {true, false}) {
      ScratchFolder folder;
      save(folder.path(), {2, 1}, {1, 2});
      const fs::path path = folder / "step-2" / file;
      std::string bytes = read_file(path);
      if (is_cut)
        bytes.resize(bytes.size() / 2);
      else
        bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 4);
      write_file_atomic(path, bytes);
      expect_loads(folder.path(), {2, 1}, 1);
      fs::remove(path);
      expect_loads(folder.path(), {}, 1);
    }
}

TEST(Checkpoint, ThatWasNotFinishedIsNotThere) {
  ScratchFolder folder;
  save(folder.path(), {}, {1});
  fs::create_directories(folder / "step-9.partial");
  expect_loads(folder.path(), {}, 1);
  remove_partial_checkpoints(folder.path());
  EXPECT_FALSE(fs::exists(folder / "step-9.partial"));
  ScratchFolder empty;
  with_shards({}, [&](Comm& comm, Shards& shards) {
    EXPECT_FALSE(load_latest_checkpoint(empty.path(), shards, comm));
  });
}

TEST(Checkpoint, OfAnotherModelIsRefused) {
  ScratchFolder folder;
  save(folder.path(), {}, {1});
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
  expect_loads(folder.path(), {}, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace poro
