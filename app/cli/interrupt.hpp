// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/job.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace loupe::cli {

/// While it lives, SIGINT and SIGTERM ask the work to stop instead of ending the process. Work that
/// does not stop within three seconds (a driver that hangs) is ended anyway. One at a time. Handlers,
/// not a mask: libraries have threads of their own before main() that no mask would reach.
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
    std::array<struct sigaction, 2> before_{};
    std::jthread watcher_;
};

}  // namespace loupe::cli
