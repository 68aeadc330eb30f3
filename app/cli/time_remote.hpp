// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "gpu/timing/backend.hpp"

namespace loupe::cli {

/// Runs the request on `request.remote` by `ssh -o BatchMode=yes HOST loupe time ... --json` and
/// hands on what comes back. Errors in one sentence: no ssh here, a host that does not answer, no
/// loupe there, an answer that is no record, what the loupe there complained of. Throws Cancelled
/// after ending ssh.
[[nodiscard]] Result<void> runRemote(const gpu::TimingRequest& request,
                                     const JobContext& ctx,
                                     const gpu::RunSink& sink);

}  // namespace loupe::cli
