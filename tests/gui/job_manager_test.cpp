// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/job_manager.hpp"

#include "tests/support/catch.hpp"

#include <QSignalSpy>
#include <QTest>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

using loupe::JobContext;
using loupe::app::JobManager;

namespace {

constexpr int kPatience = 10'000;

int endless(const JobContext& ctx) {
    for (;;) {
        ctx.checkpoint();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

TEST_CASE("jobs: of a hundred starts in one slot only the last is delivered") {
    JobManager jobs;
    QObject receiver;
    int deliveries = 0;
    int last = -1;
    for (int i = 0; i < 100; ++i) {
        jobs.start(
            "slot",
            "work",
            [i](const JobContext&) { return i; },
            &receiver,
            [&](int value) {
                ++deliveries;
                last = value;
            });
    }
    REQUIRE(QTest::qWaitFor([&] { return !jobs.isRunning("slot"); }, kPatience));
    QTest::qWait(50);
    CHECK(deliveries == 1);
    CHECK(last == 99);
}

TEST_CASE("jobs: an exception ends in jobFailed") {
    JobManager jobs;
    QObject receiver;
    QSignalSpy failed(&jobs, &JobManager::jobFailed);
    bool delivered = false;
    jobs.start(
        "slot",
        "Trouble",
        [](const JobContext&) -> int { throw std::runtime_error("the disk is gone"); },
        &receiver,
        [&](int) { delivered = true; });
    REQUIRE(QTest::qWaitFor([&] { return !failed.isEmpty(); }, kPatience));
    CHECK(failed.front().at(0).toString() == "slot");
    CHECK(failed.front().at(1).toString() == "Trouble");
    CHECK(failed.front().at(2).toString() == "the disk is gone");
    CHECK_FALSE(delivered);
    CHECK_FALSE(jobs.isRunning("slot"));
}

TEST_CASE("jobs: nothing is delivered to a receiver that is gone") {
    JobManager jobs;
    auto receiver = std::make_unique<QObject>();
    std::atomic<bool> go{false};
    bool delivered = false;
    jobs.start(
        "slot",
        "work",
        [&](const JobContext& ctx) {
            while (!go) {
                ctx.checkpoint();
            }
            return 1;
        },
        receiver.get(),
        [&](int) { delivered = true; });
    receiver.reset();
    go = true;
    REQUIRE(QTest::qWaitFor([&] { return !jobs.isRunning("slot"); }, kPatience));
    CHECK_FALSE(delivered);
}

TEST_CASE("jobs: cancelling answers at once and the destructor stops endless work") {
    QObject receiver;
    auto jobs = std::make_unique<JobManager>();
    for (const char* slot : {"scheme:A", "scheme:B", "stats"}) {
        jobs->start(slot, "endless", endless, &receiver, [](int) {});
    }
    QSignalSpy ended(jobs.get(), &JobManager::jobEnded);
    jobs->cancelPrefix("scheme:");
    CHECK(ended.size() == 2);
    CHECK_FALSE(jobs->isRunning("scheme:A"));
    CHECK(jobs->isRunning("stats"));
    const auto start = std::chrono::steady_clock::now();
    jobs.reset();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    CHECK(took.count() < 2.0);
}

TEST_CASE("jobs: progress, time left and a ticker that rests when nothing runs") {
    JobManager jobs;
    QObject receiver;
    std::atomic<bool> go{false};
    jobs.start(
        "slot",
        "Counting",
        [&](const JobContext& ctx) {
            ctx.setTotal(4);
            ctx.advance(1);
            while (!go) {
                ctx.checkpoint();
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            return 1;
        },
        &receiver,
        [](int) {});
    QSignalSpy progressed(&jobs, &JobManager::progressed);
    REQUIRE(QTest::qWaitFor([&] { return progressed.size() >= 2; }, kPatience));
    const auto running = jobs.running();
    REQUIRE(running.size() == 1);
    CHECK(running[0].title == "Counting");
    CHECK(running[0].fraction == 0.25);
    CHECK(running[0].secondsLeft > running[0].seconds);
    CHECK(jobs.fraction("slot") == 0.25);
    CHECK(jobs.fraction("other") == -1);
    go = true;
    REQUIRE(QTest::qWaitFor([&] { return jobs.running().empty(); }, kPatience));
    progressed.clear();
    QTest::qWait(250);
    CHECK(progressed.isEmpty());
}
