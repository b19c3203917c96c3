// Both forms of attention become a list of the same jobs: some tokens of one sequence, all query heads of one
// key/value head. Threads take jobs as they come, the longest first. When there are fewer jobs than would
// keep the threads busy (one token of one sequence), each chunk of positions is a job of its own and the
// parts are merged afterwards, to the same bits.
#include "ops/attention.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "ops/cpu/attention_tiled.h"
#include "ops/cpu/kernels.h"

namespace poro {
namespace {

constexpr int32_t kOnlyPage = 0;

int64_t num_chunks(const AttentionArgs& job) {
  return (job.first_position + job.tokens + kAttentionChunk - 1) / kAttentionChunk;
}

AttentionPart part_at(float* memory, const AttentionArgs& job) {
  const int64_t rows = job.tokens * job.group;
  float* highest = memory + rows * padded_head_dim(job.head_dim);
  return {.sums = memory, .highest = highest, .weight = highest + rows};
}

// body(job, thread) for all jobs, each on the thread that is free first.
template <class Body>
void for_each(ThreadPool& pool, int64_t count, const Body& body) {
  std::atomic<int64_t> next = 0;
  pool.run([&](int thread) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i, thread);
  });
}

void run_jobs(Cpu& cpu, std::vector<AttentionArgs>& jobs) {
  std::stable_sort(jobs.begin(), jobs.end(), [](const AttentionArgs& a, const AttentionArgs& b) {
    return a.first_position + a.tokens > b.first_position + b.tokens;
  });
  const Kernels& kernel = kernels(cpu.isa);
  const int64_t threads = cpu.pool.size();
  int64_t rows = 0, chunks = 0;
  for (const AttentionArgs& job : jobs) {
    rows = std::max(rows, job.tokens * job.group);
    chunks += num_chunks(job);
  }
  const int64_t num_jobs = static_cast<int64_t>(jobs.size()), head_dim = jobs[0].head_dim;
  const int64_t part_floats = attention_part_floats(rows, head_dim),
                scratch_floats = attention_scratch_floats(rows, head_dim);
  const bool splits_jobs = num_jobs < 2 * threads && chunks > num_jobs && threads > 1;
  const int64_t num_parts = splits_jobs ? chunks : 2 * threads;
  const size_t num_floats = static_cast<size_t>(threads * scratch_floats + num_parts * part_floats);
  float* memory = reinterpret_cast<float*>(cpu.scratch(num_floats * sizeof(float)));
  float* parts = memory + threads * scratch_floats;
  const auto with_scratch = [&](AttentionArgs job, int64_t thread) {
    job.scratch = memory + thread * scratch_floats;
    return job;
  };

  if (!splits_jobs) {
    for_each(cpu.pool, num_jobs, [&](int64_t i, int thread) {
      const AttentionArgs job = with_scratch(jobs[static_cast<size_t>(i)], thread);
      const AttentionPart all = part_at(parts + 2 * thread * part_floats, job),
                          next = part_at(parts + (2 * thread + 1) * part_floats, job);
      kernel.attend(job, 0, all);
      for (int64_t chunk = 1; chunk < num_chunks(job); ++chunk) {
        kernel.attend(job, chunk, next);
        kernel.merge(job, all, next);
      }
      kernel.finish(job, all);
    });
    return;
  }
  struct Piece {
    size_t job;
    int64_t chunk;
  };
  std::vector<Piece> pieces;
  for (size_t job = 0; job < jobs.size(); ++job)
    for (int64_t chunk = 0; chunk < num_chunks(jobs[job]); ++chunk) pieces.push_back({job, chunk});
  for_each(cpu.pool, chunks, [&](int64_t i, int thread) {
    const Piece piece = pieces[static_cast<size_t>(i)];
    const AttentionArgs job = with_scratch(jobs[piece.job], thread);
    kernel.attend(job, piece.chunk, part_at(parts + i * part_floats, job));
  });
  int64_t first = 0;
  for (const AttentionArgs& job : jobs) {
    const AttentionPart all = part_at(parts + first * part_floats, job);
    for (int64_t chunk = 1; chunk < num_chunks(job); ++chunk)
      kernel.merge(job, all, part_at(parts + (first + chunk) * part_floats, job));
    kernel.finish(job, all);
    first += num_chunks(job);
  }
}

// Appends the jobs of one sequence: `job` describes all of its new tokens and its first key/value head.
void add_jobs(std::vector<AttentionArgs>& jobs, const AttentionArgs& sequence, int64_t num_kv_heads,
              int64_t head_stride) {
  const int64_t tokens_per_job = std::max<int64_t>(1, kAttentionRows / sequence.group);
  const size_t head_bytes = static_cast<size_t>(head_stride * dtype_bits(sequence.dtype)) / 8;
  for (int64_t token = 0; token < sequence.tokens; token += tokens_per_job) {
    for (int64_t head = 0; head < num_kv_heads; ++head) {
      AttentionArgs job = sequence;
      const int64_t query = token * job.token_stride + head * job.group * job.head_dim;
      job.q += query;
      job.y += query;
      if (job.lse != nullptr) job.lse += token * job.lse_stride + head * job.group;
      job.tokens = std::min(tokens_per_job, sequence.tokens - token);
      job.first_position += token;
      job.keys = static_cast<const std::byte*>(job.keys) + static_cast<size_t>(head) * head_bytes;
      job.values = static_cast<const std::byte*>(job.values) + static_cast<size_t>(head) * head_bytes;
      jobs.push_back(job);
    }
  }
}

}  // namespace

void run(Cpu& cpu, const PackedAttention& op) {
  if (const TiledAttention* tiled = tiled_attention(cpu, op.q, op.operands))
    return attend_tiled(cpu, op, *tiled);
  const int64_t tokens = op.q.dim(0), num_heads = op.q.dim(1), num_kv_heads = op.k.dim(1),
                head_dim = op.q.dim(2);
  const int32_t* starts = op.starts.as<int32_t>();
  std::vector<AttentionArgs> jobs;
  for (int64_t begin = 0, end; begin < tokens; begin = end) {
    for (end = begin + 1; end < tokens && starts[end] == starts[begin];) ++end;
    const int64_t key = starts[begin] * num_kv_heads * head_dim, query = begin * num_heads * head_dim;
    add_jobs(jobs,
             {.q = op.q.as<float>() + query,
              .token_stride = num_heads * head_dim,
              .tokens = end - begin,
              .group = num_heads / num_kv_heads,
              .head_dim = head_dim,
              .first_position = begin - starts[begin],
              .keys = op.k.as<float>() + key,
              .values = op.v.as<float>() + key,
              .dtype = DType::kF32,
              .pages = &kOnlyPage,
              .page_size = tokens,
              .page_stride = 0,
              .position_stride = num_kv_heads * head_dim,
              .scratch = nullptr,
              .y = op.y.as<float>() + query,
              .lse = op.lse ? op.lse.as<float>() + begin * num_heads : nullptr,
              .lse_stride = num_heads},
             num_kv_heads, head_dim);
  }
  if (!jobs.empty()) run_jobs(cpu, jobs);
}

void run(Cpu& cpu, const CachedAttention& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.keys.dim(1), page_size = op.keys.dim(2),
                head_dim = op.q.dim(2);
  const int32_t* row_starts = op.row_starts.as<int32_t>();
  std::vector<AttentionArgs> jobs;
  for (int64_t b = 0; b < op.lengths.dim(0); ++b) {
    const int64_t tokens = row_starts[b + 1] - row_starts[b], query = row_starts[b] * num_heads * head_dim;
    add_jobs(jobs,
             {.q = op.q.as<float>() + query,
              .token_stride = num_heads * head_dim,
              .tokens = tokens,
              .group = num_heads / num_kv_heads,
              .head_dim = head_dim,
              .first_position = op.lengths.as<int32_t>()[b] - tokens,
              .keys = op.keys.data,
              .values = op.values.data,
              .dtype = op.keys.dtype,
              .pages = op.page_table.as<int32_t>() + b * op.page_table.dim(1),
              .page_size = page_size,
              .page_stride = num_kv_heads * page_size * head_dim,
              .position_stride = head_dim,
              .scratch = nullptr,
              .y = op.y.as<float>() + query,
              .lse = nullptr,
              .lse_stride = 0},
             num_kv_heads, page_size * head_dim);
  }
  if (!jobs.empty()) run_jobs(cpu, jobs);
}

}  // namespace poro
