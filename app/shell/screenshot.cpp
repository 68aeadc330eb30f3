// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/screenshot.hpp"

#include "app/document/analyses.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/workspaces.hpp"

#include <QApplication>
#include <QPixmap>

#include <cstdio>

namespace loupe::app {

namespace {

constexpr int kPollMs = 40;
constexpr int kQuietPolls =
    8;  // idle and painted for this long: nothing follows from what arrived last
constexpr qint64 kLimitMs = 120'000;
constexpr qint64 kScanLimitMs =
    10'000;  // the tree's statistics of a large checkpoint may take minutes: not waited for

}  // namespace

Screenshot::Screenshot(MainWindow& window, const QString& path)
    : QObject(&window), m_window(window), m_path(path) {
    m_elapsed.start();
    m_timer.setInterval(kPollMs);
    connect(&m_timer, &QTimer::timeout, this, &Screenshot::poll);
    m_timer.start();
}

void Screenshot::poll() {
    Analyses& analyses = m_window.document().analyses();
    const bool scanning = analyses.scanning() && m_elapsed.elapsed() < kScanLimitMs;
    const JobManager& jobs = m_window.document().jobs();
    const bool busy = m_window.workspaces().busy() || jobs.isRunning(QStringLiteral("ladder")) ||
                      jobs.isRunning(QStringLiteral("sweep"));
    m_quiet = m_window.isVisible() && analyses.idle() && !scanning && !busy ? m_quiet + 1 : 0;
    if (m_quiet >= kQuietPolls) {
        finish();
    } else if (m_elapsed.elapsed() > kLimitMs) {
        m_timer.stop();
        std::fprintf(stderr,
                     "tensorloupe: error: the results were not there after %lld seconds\n",
                     static_cast<long long>(kLimitMs / 1000));
        QApplication::exit(1);
    }
}

void Screenshot::finish() {
    m_timer.stop();
    const QPixmap picture = m_window.grab();
    if (!picture.save(m_path, "PNG")) {
        std::fprintf(stderr,
                     "tensorloupe: error: the picture could not be written (%s)\n",
                     qPrintable(m_path));
        QApplication::exit(1);
        return;
    }
    QApplication::exit(0);
}

}  // namespace loupe::app
