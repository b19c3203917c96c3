// Collectives between threads as ranks, against what each must give.
#include "base/comm.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/device.h"

namespace poro {
namespace {

Tensor filled(Arena& arena, DType dtype, int64_t count, double first) {
  const Tensor tensor = arena.tensor(dtype, {count});
  for (int64_t i = 0; i < count; ++i) store_element(tensor, i, first + static_cast<double>(i));
  return tensor;
}

void check_collectives(Comm& comm) {
  Arena arena("test");
  const int n = comm.size(), rank = comm.rank();
  std::vector<int> all(static_cast<size_t>(n));
  const int mine = 10 + rank;
  comm.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  for (int i = 0; i < n; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], 10 + i);

  std::vector<int> from(static_cast<size_t>(n)), to(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) from[static_cast<size_t>(i)] = 100 * rank + i;
  comm.all_to_all(std::as_bytes(std::span(from)), std::as_writable_bytes(std::span(to)));
  for (int i = 0; i < n; ++i) EXPECT_EQ(to[static_cast<size_t>(i)], 100 * i + rank);

  double value = rank == 0 ? 7 : 0;
  comm.broadcast(std::as_writable_bytes(std::span(&value, 1)));
  EXPECT_EQ(value, 7);
  EXPECT_EQ(comm.sum(rank + 1.0), n * (n + 1) / 2.0);
  EXPECT_EQ(comm.maximum(-rank), 0);
  EXPECT_TRUE(comm.is_any(rank == n - 1));
  EXPECT_FALSE(comm.is_any(false));

  const double ranks = n * (n - 1) / 2.0;
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    const Tensor whole = filled(arena, dtype, 5 * n, rank), part = arena.tensor(dtype, {5});
    comm.reduce_scatter(whole, part);
    for (int64_t i = 0; i < 5; ++i)
      EXPECT_EQ(load_element(part, i), ranks + n * static_cast<double>(5 * rank + i));
    const Tensor uneven = filled(arena, dtype, 7, rank);
    comm.all_reduce(uneven);
    for (int64_t i = 0; i < 7; ++i) EXPECT_EQ(load_element(uneven, i), ranks + n * static_cast<double>(i));
  }
}

TEST(Comm, OneRankIsItsOwnSum) {
  check_collectives(*solo_comm());
}

TEST(Comm, ThreadsExchangeAndSum) {
  for (const int ranks : {2, 3, 4}) run_ranks(ranks, check_collectives);
}

TEST(Comm, SplitsIntoCommunicatorsThatWorkAlone) {
  run_ranks(4, [](Comm& comm) {
    const auto rows = comm.split(comm.rank() / 2), columns = comm.split(comm.rank() % 2);
    EXPECT_EQ(rows->size(), 2);
    EXPECT_EQ(rows->rank(), comm.rank() % 2);
    EXPECT_EQ(columns->rank(), comm.rank() / 2);
    EXPECT_EQ(rows->sum(comm.rank()), comm.rank() / 2 == 0 ? 1 : 5);
    EXPECT_EQ(columns->sum(comm.rank()), comm.rank() % 2 == 0 ? 2 : 4);
    check_collectives(*rows);
  });
}

// The last bit of a sum of floats depends on its order, which must not depend on who comes first.
TEST(Comm, SumsInTheOrderOfTheRanks) {
  const float values[] = {1e8f, 1.0f, -1e8f, 3.0f};
  const float want = ((values[0] + values[1]) + values[2]) + values[3];
  for (int repeat = 0; repeat < 20; ++repeat)
    run_ranks(4, [&](Comm& comm) {
      float value = values[comm.rank()];
      comm.all_reduce({.data = reinterpret_cast<std::byte*>(&value), .dtype = DType::kF32, .shape = {1}});
      EXPECT_EQ(value, want);
    });
}

TEST(Comm, StopsAllRanksWhenOneFails) {
  EXPECT_THROW(run_ranks(3,
                         [](Comm& comm) {
                           if (comm.rank() == 1) fail("rank 1 has enough");
                           comm.barrier();
                           comm.barrier();
                         }),
               Error);
}

}  // namespace
}  // namespace poro
