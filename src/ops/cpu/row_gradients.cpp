// Gradients of the ops that work row by row: embedding, norm, gate.
#include <cmath>
#include <vector>

#include "ops/embed.h"
#include "ops/norm.h"
#include "ops/swiglu.h"

namespace poro {
namespace {

constexpr int64_t kNormBlock = 64;  // Rows summed into one partial dw, whatever the number of threads.

// dx of rows [first, last), and their sum of dy * normed into dw.
void norm_backward_rows(const RmsNormBackward& op, Range rows, double* dw) {
  const int64_t width = op.x.dim(1);
  for (int64_t t = rows.begin; t < rows.end; ++t) {
    const float *x = op.x.as<float>() + t * width, *dy = op.dy.as<float>() + t * width;
    float* dx = op.dx.as<float>() + t * width;
    const float rstd = op.rstd.as<float>()[t];
    double mean = 0;
    for (int64_t c = 0; c < width; ++c) mean += static_cast<double>(dy[c] * static_cast<float>(load_element(op.w, c)) * x[c]);
    const float share = static_cast<float>(mean / static_cast<double>(width)) * rstd;
    for (int64_t c = 0; c < width; ++c) {
      const float normed = x[c] * rstd;
      dx[c] += rstd * (dy[c] * static_cast<float>(load_element(op.w, c)) - normed * share);
      dw[c] += static_cast<double>(dy[c] * normed);
    }
  }
}

}  // namespace

void run(Cpu& cpu, const RmsNormBackward& op) {
  const int64_t width = op.x.dim(1), tokens = op.x.dim(0), blocks = (tokens + kNormBlock - 1) / kNormBlock;
  std::vector<double> partial(static_cast<size_t>(blocks * width));
  parallel_for(cpu.pool, blocks, 1, [&](Range range) {
    for (int64_t block = range.begin; block < range.end; ++block)
      norm_backward_rows(op, {block * kNormBlock, std::min(tokens, (block + 1) * kNormBlock)}, partial.data() + block * width);
  });
  float* dw = op.dw.as<float>();
  for (int64_t c = 0; c < width; ++c) {
    double sum = 0;
    for (int64_t block = 0; block < blocks; ++block) sum += partial[static_cast<size_t>(block * width + c)];
    dw[c] += static_cast<float>(sum);
  }
}

void run(Cpu& cpu, const EmbedBackward& op) {
  // Threads own columns: a row may be hit by several tokens.
  const int64_t width = op.dtable.dim(1);
  parallel_for(cpu.pool, width, 16, [&](Range columns) {
    for (int64_t t = 0; t < op.ids.dim(0); ++t) {
      const float* dy = op.dy.as<float>() + t * width;
      const int64_t id = op.ids.as<int32_t>()[t] - op.first_id;
      if (id < 0 || id >= op.dtable.dim(0)) continue;
      float* row = op.dtable.as<float>() + id * width;
      for (int64_t c = columns.begin; c < columns.end; ++c) row[c] += dy[c];
    }
  });
}

void run(Cpu& cpu, const SwiGluBackward& op) {
  const float *gates = op.gate.as<float>(), *ups = op.up.as<float>(), *dy = op.dy.as<float>();
  float *dgate = op.dgate.as<float>(), *dup = op.dup.as<float>();
  parallel_for(cpu.pool, op.gate.elements(), 4096, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) {
      const float gate = gates[i], up = ups[i], sigmoid = 1.0f / (1.0f + std::exp(-gate));
      dgate[i] = dy[i] * up * sigmoid * (1.0f + gate * (1.0f - sigmoid));
      dup[i] = dy[i] * gate * sigmoid;
    }
  });
}

}  // namespace poro
