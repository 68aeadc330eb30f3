// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "gpu/timing/record.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu {

/// Where records and progress go as they come. Called from the thread that runs.
struct RunSink {
    std::function<void(const RunRecord&)> record;
    std::function<void(double fraction, const std::string& what)> progress;
};

/// One word that a request may ask of a backend: "w4a16", "flash2".
struct Offer {
    Operation operation = Operation::Matmul;
    std::string name;
    std::string title;  ///< "4-bit weights, 16-bit activations"
    double bitsPerWeight = 0;
    std::string reason;  ///< why it cannot run on this machine; empty: it can
};

/// A place where operations are timed or counted.
class Backend {
public:
    Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    virtual ~Backend() = default;
    [[nodiscard]] virtual std::string_view id() const = 0;  ///< cpu, cuda, simt
    [[nodiscard]] virtual std::string_view title()
        const = 0;  ///< "CPU", "CUDA", "Count (executor)"
    /// Why nothing can run here, in one sentence; empty where it can.
    [[nodiscard]] virtual std::string unavailable() const = 0;
    [[nodiscard]] virtual std::vector<Offer> offers() const = 0;
    /// Runs every case; one that cannot run gives a record with a reason. An error only where
    /// nothing could start.
    [[nodiscard]] virtual Result<void> run(const TimingRequest& request,
                                           const JobContext& ctx,
                                           const RunSink& sink) const = 0;
};

[[nodiscard]] const Backend& cpuBackend();
[[nodiscard]] const Backend& cudaBackend();
[[nodiscard]] const Backend& simtBackend();
[[nodiscard]] std::span<const Backend* const> backends();
[[nodiscard]] const Backend* findBackend(std::string_view id);

}  // namespace loupe::gpu
