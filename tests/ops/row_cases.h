// Shapes of the ops that work row by row, for the tests of every backend.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace poro {

struct NormCase {
  int64_t tokens, width;
  DType weights;
};
constexpr NormCase kNormCases[] = {{1, 1, DType::kF32},  {1, 4096, DType::kBF16}, {17, 37, DType::kF32},
                                   {5, 64, DType::kF16}, {40, 130, DType::kBF16}, {3, 2049, DType::kF16}};

struct NormBackwardCase {
  int64_t tokens, width;
};
constexpr NormBackwardCase kNormBackwardCases[] = {{1, 1}, {3, 64}, {130, 37}, {65, 2049}};

struct RopeCase {
  int64_t tokens, heads, head_dim;
};
constexpr RopeCase kRopeCases[] = {{1, 32, 128}, {1, 1, 2},   {17, 4, 64},
                                   {5, 3, 96},   {2, 8, 256}, {33, 2, 20}};

struct GateCase {
  int64_t tokens, width;
};
constexpr GateCase kGateCases[] = {{1, 1}, {1, 14336}, {3, 37}, {17, 1000}};

struct LogitCase {
  int64_t tokens, vocab;
};
constexpr LogitCase kLogitCases[] = {{1, 1}, {1, 128256}, {3, 37}, {17, 1000}, {5, 1024}};

struct ProductCase {
  int64_t tokens, inputs, outputs;
  DType weights;
};
constexpr ProductCase kProductCases[] = {{1, 64, 40, DType::kF32},      {48, 64, 176, DType::kF32},
                                         {33, 37, 129, DType::kF32},    {130, 96, 64, DType::kF16},
                                         {64, 64, 512, DType::kBF16},   {100, 130, 70, DType::kBF16},
                                         {20, 600, 2100, DType::kBF16}, {1100, 70, 530, DType::kBF16}};

struct HeadCase {
  int64_t tokens, width, vocab;
  DType weights;
};
constexpr HeadCase kHeadCases[] = {
    {1, 16, 7, DType::kF32}, {70, 64, 512, DType::kF32}, {40, 33, 1000, DType::kBF16}};

}  // namespace poro
