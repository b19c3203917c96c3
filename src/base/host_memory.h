// How much memory the processor has left.
#pragma once

namespace poro {

// Bytes that a new program could use: what the machine has free or would give up (cached files), and no more
// than a container leaves. 0 where nobody says.
double available_memory();

}  // namespace poro
