// Gradients of attention, a block of keys against blocks of query rows (Dao et al., FlashAttention, 2022):
// the softmax is made again from its kept denominator, and each of the five products is a few rows by a
// matrix in the second-level cache. Sums over queries and over keys are taken in the order of the tokens,
// whatever the number of threads. Compiled by gradients_<level>.cpp.
#pragma once

#include "ops/cpu/attention_kernels.h"
#include "ops/cpu/gradient_kernels.h"

namespace poro::PORO_ISA {

// One block each of keys and of query rows, in memory that stays in the cache.
struct GradientBlocks {
  GradientBlocks(float* scratch, int64_t width) {
    const auto take = [&](int64_t floats) {
      float* here = scratch;
      scratch += floats;
      return here;
    };
    for (float** wide : {&k, &k_turned, &v_turned, &dk, &dv, &q, &dy, &dq, &ones})
      *wide = take(kGradientBlock * width);
    for (float** square : {&p, &ds, &p_turned, &ds_turned}) *square = take(kGradientBlock * kGradientBlock);
    for (float** column : {&lse, &delta}) *column = take(kGradientBlock);
  }

  float *k, *k_turned, *v_turned, *dk, *dv;  // (keys, width), (D, keys) twice, (keys, width) twice
  float *q, *dy, *dq;                        // (rows, width)
  float* ones;                               // Factors that add to what is there
  float *p, *ds, *p_turned, *ds_turned;      // (rows, keys); turned: (keys, rows)
  float *lse, *delta;                        // (rows)
};

// Rows of `from`, `stride` apart, to rows `width` apart; columns and rows that are not there become zero.
inline void copy_rows(const float* from, int64_t stride, int64_t count, int64_t head_dim, int64_t width,
                      float* to) {
  for (int64_t row = 0; row < kGradientBlock; ++row)
    for (int64_t d = 0; d < width; ++d)
      to[row * width + d] = row < count && d < head_dim ? from[row * stride + d] : 0.0f;
}

// (rows, width) to (width, kGradientBlock).
inline void turn(const float* from, int64_t width, float* to) {
  for (int64_t row = 0; row < kGradientBlock; row += 4) {
    const float* rows[4] = {from + row * width, from + (row + 1) * width, from + (row + 2) * width,
                            from + (row + 3) * width};
    for (int64_t d = 0; d < width; d += 4) transpose_four(rows, d, to + d * kGradientBlock + row);
  }
}

// p and ds of the rows [first_row, first_row + rows) against the keys [first_key, ...): from scores and dy .
// v.
inline void soften_rows(const AttentionGradientArgs& args, const GradientBlocks& b, int64_t first_row,
                        int64_t rows, int64_t first_key, float scale) {
  for (int64_t row = 0; row < kGradientBlock; ++row) {
    float *p = b.p + row * kGradientBlock, *ds = b.ds + row * kGradientBlock;
    const int64_t token = (first_row + row) / args.group;
    const int64_t begin = row < rows ? args.starts[token] - first_key : 0,
                  end = row < rows ? token + 1 - first_key : 0;
    for (int64_t i = 0; i < kGradientBlock; i += kLanes) {
      IntVec lane;
      for (int j = 0; j < kLanes; ++j) lane[j] = static_cast<int32_t>(i) + j;
      const IntVec is_seen =
          (lane >= static_cast<int32_t>(begin < 0 ? 0 : begin)) & (lane < static_cast<int32_t>(end));
      const Vec weight = select(is_seen, exp(load(p + i) * scale - b.lse[row]), Vec{});
      store(p + i, weight);
      store(ds + i, weight * (load(ds + i) - b.delta[row]) * scale);
    }
  }
}

// The rows of a block of queries, from and back to where they lie: row r is head r % group of token r /
// group.
template <class Body>
PORO_INLINE void for_rows(const AttentionGradientArgs& args, int64_t first_row, int64_t rows,
                          const Body& body) {
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t token = (first_row + row) / args.group, head = (first_row + row) % args.group;
    body(row, token * args.token_stride + head * args.head_dim, token * args.lse_stride + head);
  }
}

inline void attend_gradient(const AttentionGradientArgs& args) {
  static_assert(kGradientBlock == kAttentionBlock);  // transpose_four's distance between columns
  const int64_t width = padded_head_dim(args.head_dim), all_rows = args.tokens * args.group;
  const float scale = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(args.head_dim)));
  const GradientBlocks b(args.scratch, width);
  for (int64_t i = 0; i < kGradientBlock; ++i) b.ones[i] = 1.0f;
  const auto multiply = [&](const float* a, int64_t a_stride, const float* with, int64_t with_stride,
                            float* out, int64_t out_stride, const float* factors, int64_t depth) {
    product({.a = a,
             .a_stride = a_stride,
             .b = with,
             .b_stride = with_stride,
             .out = out,
             .out_stride = out_stride,
             .factors = factors,
             .depth = depth},
            kGradientBlock, out_stride / kLanes);
  };
  for (int64_t first_key = 0; first_key < args.tokens; first_key += kGradientBlock) {
    const int64_t keys = args.tokens - first_key < kGradientBlock ? args.tokens - first_key : kGradientBlock;
    copy_rows(args.v + first_key * args.key_stride, args.key_stride, keys, args.head_dim, width, b.k);
    turn(b.k, width, b.v_turned);
    copy_rows(args.k + first_key * args.key_stride, args.key_stride, keys, args.head_dim, width, b.k);
    turn(b.k, width, b.k_turned);
    std::memset(b.dk, 0, static_cast<size_t>(kGradientBlock * width) * sizeof(float));
    std::memset(b.dv, 0, static_cast<size_t>(kGradientBlock * width) * sizeof(float));
    for (int64_t first_row = first_key * args.group; first_row < all_rows; first_row += kGradientBlock) {
      const int64_t rows = all_rows - first_row < kGradientBlock ? all_rows - first_row : kGradientBlock;
      // Documents come one after the other: once a block of rows begins behind the keys' last document, no
      // later one sees them.
      if (args.starts[first_row / args.group] >= first_key + keys) break;
      std::memset(b.q, 0, static_cast<size_t>(kGradientBlock * width) * 3 * sizeof(float));  // q, dy and dq
      for_rows(args, first_row, rows, [&](int64_t row, int64_t at, int64_t at_lse) {
        for (int64_t d = 0; d < args.head_dim; ++d) {
          b.q[row * width + d] = args.q[at + d];
          b.dy[row * width + d] = args.dy[at + d];
          b.dq[row * width + d] = args.dq[at + d];
        }
        b.lse[row] = args.lse[at_lse];
        b.delta[row] = args.delta[at_lse];
      });
      multiply(b.q, width, b.k_turned, kGradientBlock, b.p, kGradientBlock, nullptr, width);
      multiply(b.dy, width, b.v_turned, kGradientBlock, b.ds, kGradientBlock, nullptr, width);
      soften_rows(args, b, first_row, rows, first_key, scale);
      turn(b.p, kGradientBlock, b.p_turned);
      turn(b.ds, kGradientBlock, b.ds_turned);
      multiply(b.p_turned, kGradientBlock, b.dy, width, b.dv, width, b.ones, rows);
      multiply(b.ds_turned, kGradientBlock, b.q, width, b.dk, width, b.ones, rows);
      multiply(b.ds, kGradientBlock, b.k, width, b.dq, width, b.ones, keys);
      for_rows(args, first_row, rows, [&](int64_t row, int64_t at, int64_t) {
        for (int64_t d = 0; d < args.head_dim; ++d) args.dq[at + d] = b.dq[row * width + d];
      });
    }
    for (int64_t key = 0; key < keys; ++key)
      for (int64_t d = 0; d < args.head_dim; ++d) {
        args.dk[(first_key + key) * args.key_stride + d] = b.dk[key * width + d];
        args.dv[(first_key + key) * args.key_stride + d] = b.dv[key * width + d];
      }
  }
}

}  // namespace poro::PORO_ISA
