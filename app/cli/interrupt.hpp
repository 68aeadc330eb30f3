// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/job.hpp"

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace loupe::cli {

/// While it lives, SIGINT and SIGTERM ask the work to stop instead of ending the process. Work that
/// does not stop within three seconds (a driver that hangs) is ended anyway. Make it before the
/// first thread: threads inherit the mask that holds the signals back.
class Interrupt {
public:
    Interrupt();
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    [[nodiscard]] JobContext context() const { return {stop_.get_token(), nullptr}; }
    /// The signal that came; 0: none.
    [[nodiscard]] int signal() const noexcept { return received_; }
    /// Ends the process by the signal that came, as its sender expects. Call when all is written.
    [[noreturn]] void endProcess();

private:
    void watch(const std::stop_token& ended);
    void release();

    std::stop_source stop_;
    std::atomic<int> received_{0};
    sigset_t before_{};
    std::jthread watcher_;
};

}  // namespace loupe::cli
