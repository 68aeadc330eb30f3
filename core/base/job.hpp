// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>

namespace loupe {

/// Thrown by JobContext::checkpoint() when the work is no longer wanted. Not derived from std::exception, so that no
/// handler swallows it; caught only where jobs are started.
struct Cancelled {};

/// How far a job is, in any unit. Written by workers, polled by the UI.
struct Progress {
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> total{0};
};

/// Passed to every core function that may run longer than 20 ms. Cheap to call: relaxed atomics.
/// Default-constructed: never cancelled, progress ignored (tests, command line).
class JobContext {
public:
    JobContext() = default;
    JobContext(std::stop_token stop, std::shared_ptr<Progress> progress)
        : stop_(std::move(stop)), progress_(std::move(progress)) {}

    /// Throws Cancelled if the job was superseded; call every 64 Ki elements or so.
    void checkpoint() const {
        if (stop_.stop_requested()) {
            throw Cancelled{};
        }
    }
    [[nodiscard]] bool cancelled() const noexcept { return stop_.stop_requested(); }
    void setTotal(std::uint64_t total) const noexcept {
        if (progress_) {
            progress_->total.store(total, std::memory_order_relaxed);
        }
    }
    void advance(std::uint64_t amount) const noexcept {
        if (progress_) {
            progress_->done.fetch_add(amount, std::memory_order_relaxed);
        }
    }

    /// The same job without its progress: for parts of a job that counts in units of its own.
    [[nodiscard]] JobContext withoutProgress() const { return {stop_, nullptr}; }

private:
    std::stop_token stop_;
    std::shared_ptr<Progress> progress_;
};

}  // namespace loupe
