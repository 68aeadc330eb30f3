// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace loupe {

/// Hands partial results of parallel chunks to one function in the order of the chunks, whoever finishes first, so that
/// sums do not depend on the number of threads. At most `most` partials wait; a thread that is too far ahead is held until
/// the chunk in front is done (chunks are handed out in order, so some thread is working on it).
template <class Partial>
class OrderedMerge {
public:
    explicit OrderedMerge(std::size_t most) : most_(most) {}

    /// Before another run from chunk 0; nothing may be under way.
    void restart() {
        const std::scoped_lock lock(mutex_);
        waiting_.clear();
        next_ = 0;
        abandoned_ = false;
    }

    /// A partial to fill, perhaps used before.
    std::unique_ptr<Partial> acquire() {
        const std::scoped_lock lock(mutex_);
        if (free_.empty()) {
            return std::make_unique<Partial>();
        }
        auto partial = std::move(free_.back());
        free_.pop_back();
        return partial;
    }

    /// Calls merge(partial) for this chunk and all that wait behind it, once its turn has come.
    template <class Merge>
    void deliver(std::int64_t chunk, std::unique_ptr<Partial> partial, const Merge& merge) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return chunk == next_ || waiting_.size() < most_ || abandoned_; });
        waiting_.emplace(chunk, std::move(partial));
        while (!waiting_.empty() && waiting_.begin()->first == next_) {
            merge(*waiting_.begin()->second);
            free_.push_back(std::move(waiting_.begin()->second));
            waiting_.erase(waiting_.begin());
            ++next_;
        }
        lock.unlock();
        wake_.notify_all();
    }

    /// A chunk will never come (an error, cancellation): lets everybody go.
    void abandon() {
        {
            const std::scoped_lock lock(mutex_);
            abandoned_ = true;
        }
        wake_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable wake_;
    std::map<std::int64_t, std::unique_ptr<Partial>> waiting_;
    std::vector<std::unique_ptr<Partial>> free_;
    std::int64_t next_ = 0;
    std::size_t most_;
    bool abandoned_ = false;
};

}  // namespace loupe
