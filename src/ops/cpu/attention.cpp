#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/kernels.h"

namespace poro {
namespace {

template <class Key, class Value>
float attend(const float* q, float* y, int64_t head_dim, int64_t count, const Key& key, const Value& value) {
  std::vector<float> scores(static_cast<size_t>(count)), row(static_cast<size_t>(head_dim));
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  for (int64_t s = 0; s < count; ++s) {
    key(s, row.data());
    float dot = 0;
    for (int64_t d = 0; d < head_dim; ++d) dot += q[d] * row[static_cast<size_t>(d)];
    scores[static_cast<size_t>(s)] = dot * scale;
  }
  const float highest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (float& score : scores) sum += score = std::exp(score - highest);
  std::fill(y, y + head_dim, 0.0f);
  for (int64_t s = 0; s < count; ++s) {
    value(s, row.data());
    for (int64_t d = 0; d < head_dim; ++d) y[d] += scores[static_cast<size_t>(s)] / sum * row[static_cast<size_t>(d)];
  }
  return highest + std::log(sum);
}

}  // namespace

void run(Cpu& cpu, const PackedAttention& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.k.dim(1), head_dim = op.q.dim(2);
  parallel_for(cpu.pool, op.q.dim(0) * num_heads, 1, [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const int64_t t = row / num_heads, kv = row % num_heads / (num_heads / num_kv_heads);
      const int64_t start = op.starts.as<int32_t>()[t];
      const auto read = [&](const Tensor& from) {
        return [&, from](int64_t s, float* to) {
          std::copy_n(from.as<float>() + ((start + s) * num_kv_heads + kv) * head_dim, head_dim, to);
        };
      };
      const float lse = attend(op.q.as<float>() + row * head_dim, op.y.as<float>() + row * head_dim, head_dim, t + 1 - start,
                               read(op.k), read(op.v));
      if (op.lse) op.lse.as<float>()[row] = lse;
    }
  });
}

void run(Cpu& cpu, const CachedAttention& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.keys.dim(1), page_size = op.keys.dim(2), head_dim = op.q.dim(2);
  for (int64_t b = 0; b < op.lengths.dim(0); ++b) {
    const int64_t first = op.row_starts.as<int32_t>()[b], last = op.row_starts.as<int32_t>()[b + 1];
    const int64_t length = op.lengths.as<int32_t>()[b];
    const int32_t* pages = op.page_table.as<int32_t>() + b * op.page_table.dim(1);
    parallel_for(cpu.pool, (last - first) * num_heads, 1, [&](Range rows) {
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const int64_t t = first + row / num_heads, kv = row % num_heads / (num_heads / num_kv_heads);
        const auto read = [&](const Tensor& from) {
          return [&, from](int64_t s, float* to) {
            const int64_t at = (pages[s / page_size] * num_kv_heads + kv) * page_size + s % page_size;
            const size_t row_bytes = static_cast<size_t>(head_dim * dtype_bits(from.dtype)) / 8;
            kernels(cpu.isa).convert({.from = from.data + static_cast<size_t>(at) * row_bytes, .from_dtype = from.dtype,
                                      .to = to, .to_dtype = DType::kF32, .count = head_dim});
          };
        };
        const int64_t at = (first * num_heads + row) * head_dim;
        attend(op.q.as<float>() + at, op.y.as<float>() + at, head_dim, length - (last - 1 - t), read(op.keys), read(op.values));
      }
    });
  }
}

}  // namespace poro
