// Quantisation on any processor: four lanes.
#include "ops/cpu/quantize_row_body.h"

namespace poro {

void quantize_row_portable(const QuantizeRow& task) {
  quantize_row_body(task);
}

}  // namespace poro
