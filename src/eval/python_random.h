// The coin that alpaca_eval tosses to decide which answer a judge sees first: Python's random.Random seeded
// with text. To ask the judge what the original asks, the same coin must fall.
#pragma once

#include <string_view>

namespace poro::python {

// random.Random(seed).choices([False, True])[0]: the text and its SHA-512 as one big number seed a Mersenne
// Twister (Matsumoto and Nishimura 1998, init_by_array), whose first number decides.
bool seeded_coin(std::string_view seed);

}  // namespace poro::python
