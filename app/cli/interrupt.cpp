// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/interrupt.hpp"

#include <cstdlib>
#include <ctime>
#include <pthread.h>
#include <unistd.h>

namespace loupe::cli {

namespace {

constexpr long kTickNs = 50'000'000;
constexpr int kTicksOfGrace = 60;

sigset_t watched() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

}  // namespace

Interrupt::Interrupt() {
    const sigset_t set = watched();
    pthread_sigmask(SIG_BLOCK, &set, &before_);
    watcher_ = std::jthread([this](const std::stop_token& ended) { watch(ended); });
}

Interrupt::~Interrupt() {
    release();
}

void Interrupt::watch(const std::stop_token& ended) {
    const sigset_t set = watched();
    const timespec tick{0, kTickNs};
    int ticksLeft = kTicksOfGrace;
    while (!ended.stop_requested()) {
        const int caught = sigtimedwait(&set, nullptr, &tick);
        if (caught > 0 && received_ == 0) {
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
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
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
