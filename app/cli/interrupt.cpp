// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/interrupt.hpp"

#include <cstdlib>
#include <ctime>
#include <unistd.h>

namespace loupe::cli {

namespace {

constexpr long kTickNs = 50'000'000;
constexpr int kTicksOfGrace = 60;
constexpr int kSignals[] = {SIGINT, SIGTERM};

/// What the handler saw; lock-free, so that it may be written there.
std::atomic<int> caughtSignal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void remember(int signal) {
    caughtSignal.store(signal, std::memory_order_relaxed);
}

}  // namespace

Interrupt::Interrupt() {
    caughtSignal = 0;
    struct sigaction action {};
    action.sa_handler = &remember;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < before_.size(); ++i) {
        sigaction(kSignals[i], nullptr, &before_[i]);
        if (before_[i].sa_handler != SIG_IGN) {  // as the shell wants it for work in the background
            sigaction(kSignals[i], &action, nullptr);
        }
    }
    watcher_ = std::jthread([this](const std::stop_token& ended) { watch(ended); });
}

Interrupt::~Interrupt() {
    release();
}

void Interrupt::watch(const std::stop_token& ended) {
    const timespec tick{0, kTickNs};
    int ticksLeft = kTicksOfGrace;
    while (!ended.stop_requested()) {
        nanosleep(&tick, nullptr);
        if (const int caught = caughtSignal; caught != 0 && received_ == 0) {
            received_ = caught;
            stop_.request_stop();
        }
        if (received_ != 0 && --ticksLeft <= 0) {
            _exit(128 + received_);
        }
    }
}

void Interrupt::release() {
    if (watcher_.joinable()) {
        watcher_.request_stop();
        watcher_.join();
        for (std::size_t i = 0; i < before_.size(); ++i) {
            sigaction(kSignals[i], &before_[i], nullptr);
        }
    }
}

void Interrupt::endProcess() {
    const int caught = received_;
    release();
    ::signal(caught, SIG_DFL);
    ::raise(caught);
    _exit(128 + caught);
}

}  // namespace loupe::cli
