// Quantisation on AVX2: eight lanes, and its conversion of f16.
#include "ops/cpu/quantize_row_body.h"

namespace poro {

void quantize_row_avx2(const QuantizeRow& task) {
  quantize_row_body(task);
}

}  // namespace poro
