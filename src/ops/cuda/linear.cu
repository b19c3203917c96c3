// Products by cuBLASLt, with the residual added in its epilogue; those of a few rows by kernels of our own.
#include "ops/cuda/batch_rows.h"
#include "ops/cuda/few_rows.h"
#include "ops/cuda/linear_quantized.h"
#include "ops/cuda/matmul.h"
#include "ops/linear.h"

namespace poro {
namespace {

void check_types(const Tensor& x, const Tensor& y, const Tensor& residual) {
  CHECK(x.place == Place::kGpu && y.place == Place::kGpu && (!residual || residual.place == Place::kGpu),
        "{} or {} is not on the GPU", x.str(), y.str());
  CHECK(!residual || residual.dtype == y.dtype, "residual {} beside {}", residual.str(), y.str());
}

// The scratch memory that the weights need in the type of the activations; none mostly.
std::byte* weights_scratch(Cuda& cuda, const Tensor& values, DType dtype) {
  const size_t bytes = values_scratch(values, dtype);
  return bytes == 0 ? nullptr : cuda.scratch(bytes);
}

}  // namespace

void run(Cuda& cuda, const Linear& op) {
  if (op.x.dim(0) == 0) return;
  check_types(op.x, op.y, op.residual);
  if (run_few_rows(cuda, op) || run_batch_rows(cuda, op)) return;
  if (op.w.is_quantised()) return run_quantised(cuda, op);
  const DType dtype = op.x.dtype;
  const void* w = values_as(cuda, op.w.values, dtype, weights_scratch(cuda, op.w.values, dtype));
  const int64_t inputs = op.w.inputs();
  matmul(cuda, {.rows = op.x.dim(0),
                .columns = op.w.outputs(),
                .depth = inputs,
                .a = {.data = op.x.data, .stride = inputs},
                .b = {.data = w, .stride = inputs, .stored = Stored::kTransposed},
                .operands = dtype,
                .y = op.y.data,
                .result = op.y.dtype,
                .add = op.residual.data});
}

void run(Cuda& cuda, const Linears& op) {
  if (run_in_f8(cuda, op)) return;
  for (size_t i = 0; i < op.parts.size(); ++i) run(cuda, op.part(i));
}

void run(Cuda& cuda, const LinearInputGradient& op) {
  if (op.dy.dim(0) == 0) return;
  check_types(op.dy, op.dx, op.residual);
  const DType dtype = op.dy.dtype;
  const void* w = values_as(cuda, op.w.values, dtype, weights_scratch(cuda, op.w.values, dtype));
  matmul(cuda, {.rows = op.dy.dim(0),
                .columns = op.w.inputs(),
                .depth = op.w.outputs(),
                .a = {.data = op.dy.data, .stride = op.w.outputs()},
                .b = {.data = w, .stride = op.w.inputs()},
                .operands = dtype,
                .y = op.dx.data,
                .result = op.dx.dtype,
                .add = op.residual.data});
}

void run(Cuda& cuda, const LinearWeightGradient& op) {
  if (op.dy.dim(0) == 0) return;
  check_types(op.dy, op.dw, {});
  CHECK(op.x.dtype == op.dy.dtype && op.x.place == Place::kGpu, "dy {}, x {}", op.dy.str(), op.x.str());
  matmul(cuda, {.rows = op.dw.dim(0),
                .columns = op.dw.dim(1),
                .depth = op.dy.dim(0),
                .a = {.data = op.dy.data, .stride = op.dw.dim(0), .stored = Stored::kTransposed},
                .b = {.data = op.x.data, .stride = op.dw.dim(1)},
                .operands = op.dy.dtype,
                .y = op.dw.data,
                .result = op.dw.dtype,
                .add = op.dw.data});
}

}  // namespace poro
