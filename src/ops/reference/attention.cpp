// Attention by its definition: all scores of a query, one softmax over them, one weighted sum.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace poro {
namespace {

// Fills `scores` with softmax over positions [0, count) of q . key(position) / sqrt(D); returns log of the
// denominator.
template <class Key>
double softmax_scores(const double* q, int64_t head_dim, int64_t count, const Key& key,
                      std::vector<double>& scores) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  scores.assign(static_cast<size_t>(count), 0.0);
  for (int64_t s = 0; s < count; ++s) {
    double dot = 0;
    for (int64_t d = 0; d < head_dim; ++d) dot += q[d] * key(s, d);
    scores[static_cast<size_t>(s)] = dot * scale;
  }
  const double highest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - highest);
  for (double& score : scores) score /= sum;
  return highest + std::log(sum);
}

// One query head at offset `at` of q and y, over `count` positions. Returns the softmax's log denominator.
template <class Key, class Value>
double attend(const Tensor& q, const Tensor& y, int64_t at, int64_t count, const Key& key,
              const Value& value) {
  const int64_t head_dim = q.dim(2);
  std::vector<double> query(static_cast<size_t>(head_dim)), scores;
  for (int64_t d = 0; d < head_dim; ++d) query[static_cast<size_t>(d)] = load_element(q, at + d);
  const double lse = softmax_scores(query.data(), head_dim, count, key, scores);
  for (int64_t d = 0; d < head_dim; ++d) {
    double sum = 0;
    for (int64_t s = 0; s < count; ++s) sum += scores[static_cast<size_t>(s)] * value(s, d);
    store_element(y, at + d, sum);
  }
  return lse;
}

}  // namespace

void run(Reference&, const PackedAttention& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.k.dim(1), head_dim = op.q.dim(2);
  for (int64_t t = 0; t < op.q.dim(0); ++t) {
    const int64_t start = op.starts.as<int32_t>()[t];
    for (int64_t h = 0; h < num_heads; ++h) {
      const int64_t kv = h / (num_heads / num_kv_heads);
      const auto at = [&](int64_t s, int64_t d) { return ((start + s) * num_kv_heads + kv) * head_dim + d; };
      const double lse = attend(
          op.q, op.y, (t * num_heads + h) * head_dim, t + 1 - start,
          [&](int64_t s, int64_t d) { return load_element(op.k, at(s, d)); },
          [&](int64_t s, int64_t d) { return load_element(op.v, at(s, d)); });
      if (op.lse) store_element(op.lse, t * num_heads + h, lse);
    }
  }
}

void run(Reference&, const CachedAttention& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.keys.dim(1), page_size = op.keys.dim(2),
                head_dim = op.q.dim(2);
  for (int64_t b = 0; b < op.lengths.dim(0); ++b) {
    const int64_t first = op.row_starts.as<int32_t>()[b], last = op.row_starts.as<int32_t>()[b + 1];
    const int64_t length = op.lengths.as<int32_t>()[b];
    const int32_t* pages = op.page_table.as<int32_t>() + b * op.page_table.dim(1);
    for (int64_t t = first; t < last; ++t) {
      for (int64_t h = 0; h < num_heads; ++h) {
        const int64_t kv = h / (num_heads / num_kv_heads);
        const auto at = [&](int64_t s, int64_t d) {
          return ((pages[s / page_size] * num_kv_heads + kv) * page_size + s % page_size) * head_dim + d;
        };
        attend(
            op.q, op.y, (t * num_heads + h) * head_dim, length - (last - 1 - t),
            [&](int64_t s, int64_t d) { return load_element(op.keys, at(s, d)); },
            [&](int64_t s, int64_t d) { return load_element(op.values, at(s, d)); });
      }
    }
  }
}

void run(Reference&, const CacheWrite& op) {
  const int64_t num_kv_heads = op.k.dim(1), head_dim = op.k.dim(2), page_size = op.keys.dim(2);
  for (int64_t t = 0; t < op.k.dim(0); ++t) {
    const int64_t slot = op.slots.as<int32_t>()[t];
    for (int64_t kv = 0; kv < num_kv_heads; ++kv) {
      for (int64_t d = 0; d < head_dim; ++d) {
        const int64_t from = (t * num_kv_heads + kv) * head_dim + d;
        const int64_t to =
            ((slot / page_size * num_kv_heads + kv) * page_size + slot % page_size) * head_dim + d;
        store_element(op.keys, to, load_element(op.k, from));
        store_element(op.values, to, load_element(op.v, from));
      }
    }
  }
}

void run(Reference&, const PackedAttentionBackward& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.k.dim(1), head_dim = op.q.dim(2),
                num_tokens = op.q.dim(0);
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  std::vector<double> dq(static_cast<size_t>(op.dq.elements())), dk(static_cast<size_t>(op.dk.elements())),
      dv = dk;
  for (int64_t t = 0; t < num_tokens; ++t) {
    for (int64_t h = 0; h < num_heads; ++h) {
      const int64_t q_at = (t * num_heads + h) * head_dim;
      double delta = 0;  // dy . y: what the softmax's normalisation takes back.
      for (int64_t d = 0; d < head_dim; ++d)
        delta += load_element(op.dy, q_at + d) * load_element(op.y, q_at + d);
      const double lse = load_element(op.lse, t * num_heads + h);
      for (int64_t s = op.starts.as<int32_t>()[t]; s <= t; ++s) {
        const int64_t k_at = (s * num_kv_heads + h / (num_heads / num_kv_heads)) * head_dim;
        double score = 0, dp = 0;
        for (int64_t d = 0; d < head_dim; ++d) {
          score += load_element(op.q, q_at + d) * load_element(op.k, k_at + d);
          dp += load_element(op.dy, q_at + d) * load_element(op.v, k_at + d);
        }
        const double p = std::exp(score * scale - lse), ds = p * (dp - delta) * scale;
        for (int64_t d = 0; d < head_dim; ++d) {
          dq[static_cast<size_t>(q_at + d)] += ds * load_element(op.k, k_at + d);
          dk[static_cast<size_t>(k_at + d)] += ds * load_element(op.q, q_at + d);
          dv[static_cast<size_t>(k_at + d)] += p * load_element(op.dy, q_at + d);
        }
      }
    }
  }
  for (size_t i = 0; i < dq.size(); ++i) store_element(op.dq, static_cast<int64_t>(i), dq[i]);
  for (size_t i = 0; i < dk.size(); ++i) store_element(op.dk, static_cast<int64_t>(i), dk[i]);
  for (size_t i = 0; i < dv.size(); ++i) store_element(op.dv, static_cast<int64_t>(i), dv[i]);
}

}  // namespace poro
