// Gradients of the ops that work row by row: embedding, norm, gate.
#include <algorithm>

#include "ops/cpu/gradient_kernels.h"
#include "ops/embed.h"
#include "ops/norm.h"
#include "ops/swiglu.h"

namespace poro {
namespace {

constexpr int64_t kNormBlock = 64;  // Rows summed into one partial dw, whatever the number of threads.

}  // namespace

void run(Cpu& cpu, const RmsNormBackward& op) {
  const int64_t width = op.x.dim(1), tokens = op.x.dim(0), blocks = (tokens + kNormBlock - 1) / kNormBlock;
  float* w = reinterpret_cast<float*>(cpu.scratch(static_cast<size_t>((blocks + 1) * width) * sizeof(float)));
  float* partial = w + width;
  for (int64_t c = 0; c < width; ++c) w[c] = static_cast<float>(load_element(op.w, c));
  parallel_for(cpu.pool, blocks, 1, [&](Range range) {
    for (int64_t block = range.begin; block < range.end; ++block) {
      float* dw = partial + block * width;
      std::fill_n(dw, width, 0.0f);
      for (int64_t t = block * kNormBlock; t < std::min(tokens, (block + 1) * kNormBlock); ++t)
        gradient_kernels(cpu.isa).norm({.x = op.x.as<float>() + t * width,
                                        .w = w,
                                        .dy = op.dy.as<float>() + t * width,
                                        .rstd = op.rstd.as<float>()[t],
                                        .dx = op.dx.as<float>() + t * width,
                                        .dw = dw,
                                        .width = width});
    }
  });
  float* dw = op.dw.as<float>();
  for (int64_t c = 0; c < width; ++c) {
    double sum = 0;
    for (int64_t block = 0; block < blocks; ++block) sum += static_cast<double>(partial[block * width + c]);
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
  parallel_for(cpu.pool, op.gate.elements(), 4096, [&](Range range) {
    gradient_kernels(cpu.isa).swiglu({.gate = op.gate.as<float>() + range.begin,
                                      .up = op.up.as<float>() + range.begin,
                                      .dy = op.dy.as<float>() + range.begin,
                                      .dgate = op.dgate.as<float>() + range.begin,
                                      .dup = op.dup.as<float>() + range.begin,
                                      .count = range.size()});
  });
}

}  // namespace poro
