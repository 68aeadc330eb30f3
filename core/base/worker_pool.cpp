// SPDX-License-Identifier: Apache-2.0
#include "core/base/worker_pool.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>

#include "core/base/assert.hpp"

namespace loupe {

WorkerPool::WorkerPool(int threadCount) {
    threads_.reserve(static_cast<std::size_t>(std::max(threadCount, 0)));
    for (int i = 0; i < threadCount; ++i) {
        threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
    }
}

WorkerPool::~WorkerPool() {
    for (std::jthread& thread : threads_) {
        thread.request_stop();
    }
    threads_.clear();  // joins
}

void WorkerPool::post(std::function<void()> task) {
    {
        const std::scoped_lock lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
}

void WorkerPool::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        std::function<void()> task;
        {
            std::unique_lock lock(mutex_);
            if (!wake_.wait(lock, stop, [this] { return !tasks_.empty(); })) {
                return;
            }
            task = std::move(tasks_.front());
            tasks_.pop_front();
        }
        task();
    }
}

namespace {

int& threadSetting() {
    static int count = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    return count;
}

std::mutex& poolMutex() {
    static std::mutex mutex;
    return mutex;
}

/// The helpers of parallelFor: one fewer than the setting, since the caller works too.
std::shared_ptr<WorkerPool>& poolStorage() {
    static std::shared_ptr<WorkerPool> pool;
    return pool;
}

std::shared_ptr<WorkerPool> helperPool() {
    const std::scoped_lock lock(poolMutex());
    std::shared_ptr<WorkerPool>& pool = poolStorage();
    const int helpers = threadSetting() - 1;
    if (!pool || pool->threadCount() != helpers) {
        pool = std::make_shared<WorkerPool>(helpers);
    }
    return pool;
}

/// Shared by the threads that work on one parallelFor call; outlives the call if a helper wakes late.
struct Team {
    std::atomic<std::int64_t> next{0};
    std::int64_t chunks = 0;
    std::int64_t count = 0;
    std::int64_t chunk = 0;
    const JobContext* ctx = nullptr;
    const std::function<void(std::int64_t, std::int64_t, std::int64_t)>* body = nullptr;
    std::mutex mutex;
    std::condition_variable idle;
    int active = 0;
    bool closed = false;  ///< set by the caller when it leaves: a late helper must not touch ctx or body
    std::exception_ptr failure;
    bool cancelled = false;

    void work() {
        try {
            for (std::int64_t i = next.fetch_add(1); i < chunks; i = next.fetch_add(1)) {
                ctx->checkpoint();
                (*body)(i * chunk, std::min(count, (i + 1) * chunk), i);
            }
        } catch (const Cancelled&) {
            const std::scoped_lock lock(mutex);
            cancelled = true;
            next.store(chunks);
        } catch (...) {
            const std::scoped_lock lock(mutex);
            if (!failure) {
                failure = std::current_exception();
            }
            next.store(chunks);
        }
    }

    void help() {
        {
            const std::scoped_lock lock(mutex);
            if (closed) {
                return;
            }
            ++active;
        }
        work();
        {
            const std::scoped_lock lock(mutex);
            --active;
        }
        idle.notify_all();
    }
};

}  // namespace

void setComputeThreads(int count) {
    const std::scoped_lock lock(poolMutex());
    threadSetting() = std::max(1, count);
    poolStorage().reset();
}

int computeThreads() {
    const std::scoped_lock lock(poolMutex());
    return threadSetting();
}

void parallelFor(std::int64_t count,
                 std::int64_t chunk,
                 const JobContext& ctx,
                 const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) {
    LOUPE_ASSERT(chunk > 0, "a chunk holds at least one element");
    if (count <= 0) {
        return;
    }
    const auto team = std::make_shared<Team>();
    team->chunks = (count + chunk - 1) / chunk;
    team->count = count;
    team->chunk = chunk;
    team->ctx = &ctx;
    team->body = &body;
    const std::shared_ptr<WorkerPool> pool = helperPool();
    const std::int64_t helpers = std::min<std::int64_t>(pool->threadCount(), team->chunks - 1);
    for (std::int64_t i = 0; i < helpers; ++i) {
        pool->post([team] { team->help(); });
    }
    team->work();
    {
        std::unique_lock lock(team->mutex);
        team->closed = true;
        team->idle.wait(lock, [&] { return team->active == 0; });
    }
    if (team->failure) {
        std::rethrow_exception(team->failure);
    }
    if (team->cancelled) {
        throw Cancelled{};
    }
}

}  // namespace loupe
