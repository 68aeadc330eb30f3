// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever the child does, the application goes on and says what happened.
#include "app/workspaces/timing/cases_view.hpp"
#include "app/workspaces/timing/record_panel.hpp"
#include "tests/gui/timing_fixture.hpp"
#include "tests/support/catch.hpp"

#include <QElapsedTimer>
#include <QListWidget>
#include <QToolButton>

#include <csignal>
#include <unistd.h>

using namespace loupe;
using namespace loupe::app;
using loupe::test::FakeChild;
using loupe::test::kTimingPatience;
using loupe::test::OwnRecords;
using loupe::test::timedRecord;
using loupe::test::TimingWindow;
using State = QueuedRun::State;

namespace {

/// The application still works: a good run comes through.
void checkStillWorks(TimingWindow& timing) {
    const FakeChild good(FakeChild::print(timedRecord("bf16", 884)));
    const QString run = timing.start();
    timing.waitUntilIdle();
    CHECK(timing.queue().find(run)->state == State::Finished);
    CHECK(timing.model().shown() == QStringList{run});
}

State stateOf(TimingWindow& timing, const QString& run) {
    const QueuedRun* found = timing.queue().find(run);
    REQUIRE(found != nullptr);
    return found->state;
}

}  // namespace

TEST_CASE("timing run: records and progress appear as they come, and are kept") {
    const OwnRecords own;
    TimingWindow timing;
    const QString gate = own.path + ".gate";
    const FakeChild child(FakeChild::print(timedRecord("fp32", 1720)) +
                          QStringLiteral("echo 'progress 0.5 timing w4a16' >&2\n") +
                          QStringLiteral("while [ ! -e '%1' ]; do sleep 0.05; done\n").arg(gate) +
                          FakeChild::print(timedRecord("w4a16", 287)));
    const QString run = timing.start();
    CHECK(timing.window->workspaces().busy());
    REQUIRE(QTest::qWaitFor([&] { return timing.queue().find(run)->fraction == 0.5; },
                            kTimingPatience));
    CHECK(timing.queue().find(run)->doing == "timing w4a16");
    REQUIRE(timing.model().cases().rows.size() == 1);  // the first is there while the second runs
    auto rows = timing.find<RunList>().queueRows();
    REQUIRE(rows.size() == 1);
    CHECK(rows[0]->stateText().startsWith("timing w4a16"));
    QFile(gate).open(QIODevice::WriteOnly);
    timing.waitUntilIdle();
    CHECK(stateOf(timing, run) == State::Finished);
    CHECK(timing.model().cases().rows.size() == 2);
    CHECK(timing.find<RunList>().queueRows().empty());
    CHECK_FALSE(timing.message().isShowing());
    CHECK_FALSE(timing.window->workspaces().busy());
    // Another window finds them.
    TimingWindow again;
    REQUIRE(again.model().store().runs().size() == 1);
    CHECK(again.model().store().recordCount() == 2);
    CHECK(again.model().shown() == QStringList{run});
    CHECK(again.find<QListWidget>("records").count() == 1);
}

TEST_CASE("timing run: cancelled in the middle, repeated, and cancelled while it waits") {
    const OwnRecords own;
    TimingWindow timing;
    const FakeChild child(FakeChild::print(timedRecord("fp32", 1720)) +
                          QStringLiteral("sleep 60\n"));
    const QString run = timing.start();
    const QString waiting = timing.start();
    REQUIRE(
        QTest::qWaitFor([&] { return timing.queue().find(run)->records == 1; }, kTimingPatience));
    CHECK(stateOf(timing, waiting) == State::Waiting);
    timing.queue().cancel(waiting);
    CHECK(stateOf(timing, waiting) == State::Cancelled);
    QElapsedTimer elapsed;
    elapsed.start();
    timing.queue().cancel(run);
    CHECK(elapsed.elapsed() < 100);  // does not wait for the child
    CHECK(stateOf(timing, run) == State::Cancelling);
    timing.waitUntilIdle();
    CHECK(stateOf(timing, run) == State::Cancelled);
    CHECK(timing.model().store().recordCount() == 1);  // what it had measured is kept
    const QString again = timing.queue().repeat(run);
    REQUIRE(
        QTest::qWaitFor([&] { return timing.queue().find(again)->records == 1; }, kTimingPatience));
    timing.queue().cancel(again);
    timing.waitUntilIdle();
    checkStillWorks(timing);
}

TEST_CASE("timing run: a child that ignores the request to end is ended") {
    const OwnRecords own;
    TimingWindow timing;
    const FakeChild child(
        "trap '' TERM\necho 'progress 0.1 stubborn' >&2\nwhile :; do sleep 0.1; done\n");
    const QString run = timing.start();
    REQUIRE(QTest::qWaitFor([&] { return timing.queue().find(run)->doing == "stubborn"; },
                            kTimingPatience));
    timing.queue().cancel(run);
    timing.waitUntilIdle();
    CHECK(stateOf(timing, run) == State::Cancelled);
    checkStillWorks(timing);
}

TEST_CASE("timing run: a child that crashes or is killed is a message, and its records stay") {
    const OwnRecords own;
    TimingWindow timing;
    {
        const FakeChild child(FakeChild::print(timedRecord("fp32", 1720)) +
                              QStringLiteral("kill -SEGV $$\n"));
        const QString run = timing.start();
        timing.waitUntilIdle();
        CHECK(stateOf(timing, run) == State::Failed);
        CHECK(timing.message().what().contains("crashed"));
        CHECK(timing.message().why().contains("1 record"));
        CHECK(timing.model().store().recordCount() == 1);
    }
    {
        const FakeChild child("echo 'progress 0.2 at work' >&2\nexec sleep 60\n");
        const QString run = timing.start();
        REQUIRE(QTest::qWaitFor([&] { return timing.queue().find(run)->doing == "at work"; },
                                kTimingPatience));
        ::kill(static_cast<pid_t>(timing.queue().process().processId()), SIGKILL);
        timing.waitUntilIdle();
        CHECK(stateOf(timing, run) == State::Failed);
        CHECK(timing.message().what().contains("from outside"));
    }
    timing.press("Close");
    CHECK_FALSE(timing.message().isShowing());
    checkStillWorks(timing);
}

TEST_CASE("timing run: silence asks whether to wait; waiting waits, cancelling cancels") {
    const OwnRecords own;
    TimingWindow timing;
    const QString gate = own.path + ".gate";
    const FakeChild child(QStringLiteral("while [ ! -e '%1' ]; do sleep 0.05; done\n").arg(gate) +
                          FakeChild::print(timedRecord("fp32", 1720)));
    timing.queue().setPatience(1);
    const QString run = timing.start();
    REQUIRE(QTest::qWaitFor([&] { return timing.message().isShowing(); }, kTimingPatience));
    CHECK(timing.message().what().contains("said nothing for 1 s"));
    timing.press("Wait");
    CHECK_FALSE(timing.message().isShowing());
    REQUIRE(QTest::qWaitFor([&] { return timing.message().isShowing(); },
                            kTimingPatience));  // asks again
    QFile(gate).open(QIODevice::WriteOnly);
    timing.waitUntilIdle();
    CHECK(stateOf(timing, run) == State::Finished);
    CHECK_FALSE(timing.message().isShowing());  // the question is answered
    const FakeChild hung("sleep 60\n");
    const QString hanging = timing.start();
    REQUIRE(QTest::qWaitFor([&] { return timing.message().isShowing(); }, kTimingPatience));
    timing.press("Cancel the run");
    timing.waitUntilIdle();
    CHECK(stateOf(timing, hanging) == State::Cancelled);
    timing.queue().setPatience(60);
    checkStillWorks(timing);
}

TEST_CASE("timing run: lines that are no records are left out and counted") {
    const OwnRecords own;
    TimingWindow timing;
    const FakeChild child(QStringLiteral("echo 'not json'\necho '{\"schema\":\"loupe.run/9\"}'\n") +
                          FakeChild::print(timedRecord("fp32", 1720)) +
                          QStringLiteral("printf '{\"schema\":'\n"));
    const QString run = timing.start();
    timing.waitUntilIdle();
    CHECK(stateOf(timing, run) == State::Finished);
    CHECK(timing.queue().find(run)->records == 1);
    CHECK(timing.queue().find(run)->malformed == 3);
    CHECK(timing.message().what().contains("3 lines"));
    checkStillWorks(timing);
}

TEST_CASE("timing run: no program, no record, and an error of the child are messages") {
    const OwnRecords own;
    TimingWindow timing;
    RunProcess::setProgram("/nowhere/loupe");
    const QString missing = timing.start();
    timing.waitUntilIdle();
    CHECK(stateOf(timing, missing) == State::Failed);
    CHECK(timing.message().what().contains("could not be started"));
    CHECK(timing.message().why().contains("/nowhere/loupe"));
    {
        const FakeChild empty("exit 0\n");
        const QString run = timing.start();
        timing.waitUntilIdle();
        CHECK(stateOf(timing, run) == State::Failed);
        CHECK(timing.message().what().contains("no record"));
    }
    {
        const FakeChild ssh(
            "echo 'loupe: error: ssh could not reach gpu-box: Connection refused' >&2\n"
            "echo 'loupe: hint: try ssh gpu-box by hand' >&2\nexit 1\n");
        gpu::TimingRequest request = TimingWindow::request();
        request.remote = "gpu-box";
        const QString run = timing.queue().add(request);
        timing.waitUntilIdle();
        CHECK(stateOf(timing, run) == State::Failed);
        CHECK(timing.message().what() == "ssh could not reach gpu-box: Connection refused");
        CHECK(timing.message().why().contains("by hand"));
    }
    RunProcess::setProgram({});
    checkStillWorks(timing);
}

TEST_CASE("timing run: closing the window ends the child") {
    const OwnRecords own;
    const FakeChild child("echo 'progress 0.1 at work' >&2\nexec sleep 60\n");
    qint64 id = 0;
    {
        TimingWindow timing;
        const QString run = timing.start();
        REQUIRE(QTest::qWaitFor([&] { return timing.queue().find(run)->doing == "at work"; },
                                kTimingPatience));
        id = timing.queue().process().processId();
        REQUIRE(id > 1);
    }
    REQUIRE(
        QTest::qWaitFor([&] { return ::kill(static_cast<pid_t>(id), 0) != 0; }, kTimingPatience));
}

TEST_CASE("timing run: two machines side by side only after the warning is accepted") {
    const OwnRecords own;
    TimingWindow timing;
    RecordStore& store = timing.model().store();
    REQUIRE(store.append("here", timedRecord("bf16", 884, "CPU one"), {}).has_value());
    REQUIRE(store.append("there", timedRecord("bf16", 500, "CPU two"), {}).has_value());
    timing.model().show({"here"});
    auto& list = timing.find<QListWidget>("records");
    REQUIRE(list.count() == 2);
    list.item(0)->setSelected(true);
    list.item(1)->setSelected(true);
    CHECK(timing.message().isShowing());
    CHECK(timing.message().what().contains("2 machines"));
    CHECK(timing.message().why().contains("CPU one"));
    CHECK(timing.message().why().contains("CPU two"));
    CHECK(timing.model().cases().machines.size() == 1);  // nothing is mixed
    timing.press("Compare anyway");
    CHECK(timing.model().cases().machines.size() == 2);
    CHECK(timing.model().cases().rows.size() == 2);
    for (const CaseRow& row : timing.model().cases().rows) {
        CHECK_FALSE(row.machine.isEmpty());
    }
    // One machine again: the next mix asks again.
    timing.model().show({"there"});
    CHECK_FALSE(timing.model().mixAccepted());
    timing.model().show({"here", "there"});
    CHECK(timing.model().cases().machines.size() == 1);
}

TEST_CASE("timing run: deleted runs come back with Undo") {
    const OwnRecords own;
    TimingWindow timing;
    REQUIRE(timing.model().store().append("a", timedRecord("bf16", 884), {}).has_value());
    REQUIRE(timing.model().store().append("a", timedRecord("fp32", 1720), {}).has_value());
    timing.model().show({"a"});
    auto& list = timing.find<QListWidget>("records");
    list.setFocus();
    QTest::keyClick(&list, Qt::Key_Delete);
    CHECK(timing.model().store().runs().empty());
    CHECK(timing.model().cases().rows.empty());
    CHECK(timing.message().what().contains("2 records"));
    timing.press("Undo");
    CHECK(timing.model().store().recordCount() == 2);
    CHECK(timing.model().shown() == QStringList{"a"});
}
