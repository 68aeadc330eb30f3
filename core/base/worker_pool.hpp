// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/job.hpp"

namespace loupe {

/// A fixed set of threads that run posted tasks in order of arrival. Tasks must not throw.
/// The destructor drops tasks that have not begun and joins. Declare a pool last in its class.
class WorkerPool {
public:
    explicit WorkerPool(int threadCount);
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    void post(std::function<void()> task);
    [[nodiscard]] int threadCount() const noexcept { return static_cast<int>(threads_.size()); }

private:
    void run(const std::stop_token& stop);

    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::deque<std::function<void()>> tasks_;
    std::vector<std::jthread> threads_;
};

/// Number of threads that parallelFor() uses, the calling one included. Default: all cores.
/// Set once at start (`--threads`); not safe while work is running.
void setComputeThreads(int count);
[[nodiscard]] int computeThreads();

/// Calls body(begin, end, chunkIndex) for [0, count) cut into chunks of `chunk` (the last may be shorter), on the compute
/// pool and the calling thread; returns when all are done. Chunks are handed out dynamically, but their borders depend on
/// `count` and `chunk` alone: keep one partial result per chunkIndex and combine them in order, and sums are bit-identical
/// for any number of threads. The first exception (also Cancelled) is rethrown after running chunks have ended.
/// May be nested. Checks ctx before every chunk; does not advance progress.
void parallelFor(std::int64_t count,
                 std::int64_t chunk,
                 const JobContext& ctx,
                 const std::function<void(std::int64_t begin, std::int64_t end, std::int64_t chunkIndex)>& body);

}  // namespace loupe
