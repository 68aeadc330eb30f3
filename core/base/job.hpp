// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>

namespace loupe {

/// Thrown by JobContext::checkpoint() when the work is no longer wanted. Not derived from
/// std::exception, so that no handler swallows it; caught only where jobs are started.
struct Cancelled {};

/// How far a job is, in any unit. Written by workers, polled by the UI.
struct Progress {
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> total{0};
    /// Of a part of a larger job: that job, how many of its units the part is worth, and how many
    /// it has given.
    std::shared_ptr<Progress> whole;
    std::uint64_t share = 0;
    std::atomic<std::uint64_t> given{0};

    void advance(std::uint64_t amount) noexcept {
        const std::uint64_t now = done.fetch_add(amount, std::memory_order_relaxed) + amount;
        const std::uint64_t all = total.load(std::memory_order_relaxed);
        if (whole && all > 0) {
            const double fraction = static_cast<double>(now) / static_cast<double>(all);
            give(fraction < 1 ? static_cast<std::uint64_t>(static_cast<double>(share) * fraction)
                              : share);
        }
    }
    /// Raises what the whole has been given to `target`: never back, and each unit once.
    void give(std::uint64_t target) noexcept {
        std::uint64_t before = given.load(std::memory_order_relaxed);
        while (before < target) {
            if (given.compare_exchange_weak(before, target, std::memory_order_relaxed)) {
                whole->advance(target - before);
                return;
            }
        }
    }
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
            progress_->advance(amount);
        }
    }

    /// A part of this job that counts in units of its own, its end worth `share` units of this one.
    [[nodiscard]] JobContext part(std::uint64_t share) const {
        if (!progress_) {
            return {stop_, nullptr};
        }
        auto progress = std::make_shared<Progress>();
        progress->whole = progress_;
        progress->share = share;
        return {stop_, std::move(progress)};
    }
    /// A part has come to its end: what it has not given yet is given now.
    void finishPart() const noexcept {
        if (progress_ && progress_->whole) {
            progress_->give(progress_->share);
        }
    }

    /// The same job without its progress: for parts of a job that counts in units of its own.
    [[nodiscard]] JobContext withoutProgress() const { return {stop_, nullptr}; }

private:
    std::stop_token stop_;
    std::shared_ptr<Progress> progress_;
};

}  // namespace loupe
