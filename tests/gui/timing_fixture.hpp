// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/options.hpp"
#include "app/shell/workspaces.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/record_store.hpp"
#include "app/workspaces/timing/run_form.hpp"
#include "app/workspaces/timing/run_list.hpp"
#include "app/workspaces/timing/run_process.hpp"
#include "app/workspaces/timing/timing_model.hpp"
#include "gpu/timing/method.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"

#include <QAction>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QPushButton>

#include <memory>

namespace loupe::test {

constexpr int kTimingPatience = 60000;

/// A record as a CPU run gives it; the figures are this test's own and belong to no machine.
inline gpu::RunRecord timedRecord(const std::string& format,
                                  double medianUs,
                                  const std::string& device = "Test CPU",
                                  const std::string& kernel = {}) {
    gpu::RunRecord record;
    record.backend = "cpu";
    record.device.name = device;
    record.device.uuid = "uuid-" + device;
    record.kernel.id = kernel.empty() ? "cpu_" + format : kernel;
    record.kernel.source = "cpu";
    record.what.operation = gpu::Operation::Matmul;
    record.what.matmul = {1, 4096, 4096, 128};
    record.what.format = format;
    record.what.a = format == "w4a16" ? "fp16" : format;
    record.what.b = format;
    record.what.accumulator = format == "int8" ? "int32" : "fp32";
    record.what.output = "fp32";
    gpu::CheckRecord check;
    check.reference = "f64-cpu";
    check.passed = true;
    check.relFro = 1e-7;
    check.formatError = 0.01;
    check.tolerance = 1e-5;
    check.compared = 4096;
    record.check = check;
    gpu::TimingRecord timing;
    timing.clock = "steady";
    for (int i = 0; i < 21; ++i) {
        timing.samplesUs.push_back(medianUs * (1 + 0.002 * (i % 7 - 3)));
    }
    timing.stopReason = "ci";
    gpu::summarise(timing);
    record.timing = timing;
    record.derived.flops = 2.0 * 4096 * 4096;
    record.derived.bytesMin = format == "fp32"    ? 67141632.0
                              : format == "w4a16" ? 8667136.0
                                                  : 33570816.0;
    record.derived.bandwidthGbps = 43;
    record.derived.peakTflops = format == "int8" ? 1.9 : 0.5;
    record.derived.ceilingSource = "measured";
    gpu::derive(record.derived, record.timing->medianUs);
    record.environment.utc = "2026-11-22T11:05:00Z";
    record.environment.host = "test";
    return record;
}

/// What the executor counts of a kernel: no time.
inline gpu::RunRecord countedRecord(const std::string& format, const std::string& kernel) {
    gpu::RunRecord record = timedRecord(format, 1, "Test CPU", kernel);
    record.kind = gpu::FigureKind::Counted;
    record.backend = "simt";
    record.timing.reset();
    record.derived.tflops = record.derived.gbps = record.derived.ofFloor = 0;
    gpu::CountRecord counts;
    counts.requestedBytes = 12000000;
    counts.sectorBytes = 10000000;
    counts.dramBytes = 9000000;
    counts.cacheBytes = 2000000;
    counts.flops = 33554432;
    record.counts = counts;
    return record;
}

/// A shell script in place of `loupe`: what the child does is written in the test.
class FakeChild {
public:
    explicit FakeChild(const QString& script) {
        static int number = 0;
        m_path = QString::fromStdString(
            (scratchDir() / ("child-" + std::to_string(++number) + ".sh")).string());
        QFile file(m_path);
        REQUIRE(file.open(QIODevice::WriteOnly));
        file.write("#!/bin/sh\n" + script.toUtf8());
        file.close();
        REQUIRE(file.setPermissions(QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner));
        app::RunProcess::setProgram(m_path);
    }
    ~FakeChild() { app::RunProcess::setProgram({}); }
    FakeChild(const FakeChild&) = delete;
    FakeChild& operator=(const FakeChild&) = delete;
    /// A line of the script that prints a record.
    [[nodiscard]] static QString print(const gpu::RunRecord& record) {
        static int number = 0;
        const QString path = QString::fromStdString(
            (scratchDir() / ("record-" + std::to_string(++number) + ".json")).string());
        QFile file(path);
        REQUIRE(file.open(QIODevice::WriteOnly));
        file.write(QByteArray::fromStdString(gpu::toJson(record)) + '\n');
        return QStringLiteral("cat '%1'\n").arg(path);
    }

private:
    QString m_path;
};

/// Records in a file of their own.
struct OwnRecords {
    OwnRecords() {
        static int number = 0;
        path = QString::fromStdString(
            (scratchDir() / ("records-" + std::to_string(++number)) / "records.jsonl").string());
        REQUIRE(QDir().mkpath(QFileInfo(path).absolutePath()));
        app::RecordStore::setDefaultPath(path);
    }
    ~OwnRecords() { app::RecordStore::setDefaultPath({}); }
    OwnRecords(const OwnRecords&) = delete;
    OwnRecords& operator=(const OwnRecords&) = delete;
    QString path;
};

/// A window that begins in the Timing workspace.
struct TimingWindow {
    explicit TimingWindow(QSize size = QSize(1600, 900), double font = 1) {
        appearance.start("light", font);
        window = std::make_unique<app::MainWindow>(
            appearance, QString::fromStdString((scratchDir() / "running").string()));
        app::Options options;
        options.workspace = "timing";
        options.size = size;
        options.screenshot = "unused";  // leaves saved layouts alone
        window->start(options);
        window->show();
        REQUIRE(QTest::qWaitFor([this] { return !model().loading(); }, kTimingPatience));
        QTest::qWait(20);
    }
    ~TimingWindow() { app::applyTheme(app::ThemeId::Light, 1); }
    template <class T>
    T& find(const QString& name = {}) {
        T* found = window->findChild<T*>(name);
        REQUIRE(found != nullptr);
        return *found;
    }
    app::TimingModel& model() { return find<app::TimingModel>(); }
    app::RunQueue& queue() { return model().queue(); }
    app::MessageBar& message() {
        auto* bar = window->workspaces().page()->findChild<app::MessageBar*>();
        REQUIRE(bar != nullptr);
        return *bar;
    }
    /// A button of the message by its text.
    void press(const QString& text) {
        for (QPushButton* button : message().findChildren<QPushButton*>()) {
            if (button->text() == text && button->isVisibleTo(&message())) {
                button->click();
                return;
            }
        }
        FAIL("no button " << text.toStdString() << " in the message");
    }
    QString start() { return queue().add(request()); }
    [[nodiscard]] static gpu::TimingRequest request() {
        gpu::TimingRequest made;
        made.what = {"fp32"};
        return made;
    }
    void waitUntilIdle() {
        REQUIRE(QTest::qWaitFor([this] { return !queue().busy(); }, kTimingPatience));
        QTest::qWait(20);
    }
    app::Appearance appearance;
    std::unique_ptr<app::MainWindow> window;
};

}  // namespace loupe::test
