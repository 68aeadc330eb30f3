// SPDX-License-Identifier: GPL-3.0-or-later
// Runs GUI tests on one QApplication: offscreen unless told otherwise, fixed style, locale and scale, temporary settings;
// any Qt warning fails the run.
#include <QApplication>
#include <QLocale>
#include <QSettings>
#include <QStandardPaths>

#include <atomic>
#include <cstdio>

#include "tests/support/paths.hpp"
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

namespace {

std::atomic<int> warnings{0};

void onMessage(QtMsgType type, const QMessageLogContext&, const QString& text) {
    std::fprintf(stderr, "Qt: %s\n", qPrintable(text));
    // The offscreen platform says this of every window; it means nothing here.
    if (text.contains("propagateSizeHints")) {
        return;
    }
    if (type == QtWarningMsg || type == QtCriticalMsg) {
        ++warnings;
    }
}

}  // namespace

int main(int argc, char* argv[]) {
    if (qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM")) {
        qputenv("QT_QPA_PLATFORM", "offscreen");
    }
    qputenv("QT_SCALE_FACTOR", "1");
    if (qEnvironmentVariableIsEmpty("XDG_RUNTIME_DIR")) {
        qputenv("XDG_RUNTIME_DIR", QByteArray::fromStdString(loupe::test::scratchDir().string()));
    }
    QStandardPaths::setTestModeEnabled(true);
    QSettings::setDefaultFormat(QSettings::IniFormat);
    QSettings::setPath(QSettings::IniFormat, QSettings::UserScope, QString::fromStdString(loupe::test::scratchDir().string()));
    qInstallMessageHandler(onMessage);
    QApplication app(argc, argv);
    QCoreApplication::setOrganizationName("Tensorloupe");
    QCoreApplication::setApplicationName("tensorloupe-test");
    QLocale::setDefault(QLocale::c());
    const int failed = Catch::Session().run(argc, argv);
    if (failed == 0 && warnings > 0) {
        std::fprintf(stderr, "%d Qt warnings: failed\n", warnings.load());
        return 1;
    }
    return failed;
}
