// Commands on the ranks that mpirun or srun started: the first one runs the command, the others hold parts of
// the models that it opens.
#pragma once

#include <functional>
#include <optional>

#include "apps/model_options.h"
#include "base/comm.h"

namespace poro {

// Runs `body` here; what this rank cannot go on with ends all ranks, with a sentence.
void run_among(Comm& world, const std::function<void()>& body);

// On the first rank, or a rank alone: runs `body`, with the others in `options`. On the others: opens what
// the first one opens, until it is done.
void lead_ranks(ModelOptions& options, const std::function<void()>& body);

// The first rank says to the others what to open; nothing is said without any.
void tell_options(const ModelOptions& options);

}  // namespace poro
