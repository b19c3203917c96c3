// Quantisation on AVX-512: sixteen lanes.
#include "ops/cpu/quantize_row_body.h"

namespace poro {

void quantize_row_avx512(const QuantizeRow& task) {
  quantize_row_body(task);
}

}  // namespace poro
