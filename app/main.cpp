// SPDX-License-Identifier: GPL-3.0-or-later
// tensorloupe: the desktop application. Options are in contract 6.
#include "app/shell/appearance.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/options.hpp"
#include "app/shell/screenshot.hpp"
#include "core/base/version.hpp"
#include "core/base/worker_pool.hpp"

#include <QApplication>
#include <QTimer>

#include <algorithm>
#include <cstdio>
#include <thread>

namespace {

/// True if a window can be shown somewhere; a run that only makes a picture does without a display.
bool chooseDisplay(const loupe::app::Options& options) {
#ifdef Q_OS_UNIX
    const bool display =
        !qEnvironmentVariableIsEmpty("DISPLAY") || !qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY");
    if (display || !qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM")) {
        return true;
    }
    if (options.screenshot.isEmpty() && !options.quitAfterPaint) {
        return false;
    }
    qputenv("QT_QPA_PLATFORM", "offscreen");
#else
    static_cast<void>(options);
#endif
    return true;
}

QtMessageHandler defaultHandler = nullptr;

/// The offscreen platform says of every window that it cannot keep size hints: nothing a user could act on.
void withoutPlatformChatter(QtMsgType type, const QMessageLogContext& context, const QString& text) {
    if (!text.contains(QLatin1String("propagateSizeHints"))) {
        defaultHandler(type, context, text);
    }
}

}  // namespace

int main(int argc, char* argv[]) {
    const loupe::app::ParsedOptions parsed = loupe::app::parseOptions(argc, argv);
    if (parsed.exitCode >= 0) {
        std::fputs(parsed.output.c_str(), parsed.exitCode == 0 ? stdout : stderr);
        return parsed.exitCode;
    }
    if (!chooseDisplay(parsed.options)) {
        std::fputs(
            "tensorloupe: error: there is no display (DISPLAY and WAYLAND_DISPLAY are empty)\n"
            "tensorloupe: hint: --screenshot OUT.png works without one\n",
            stderr);
        return 1;
    }
    defaultHandler = qInstallMessageHandler(withoutPlatformChatter);
    QApplication app(argc, argv);
    QCoreApplication::setOrganizationName(QStringLiteral("Tensorloupe"));
    QCoreApplication::setApplicationName(QStringLiteral("tensorloupe"));
    QCoreApplication::setApplicationVersion(QLatin1String(loupe::kVersion));
    QLocale::setDefault(QLocale::c());
    loupe::setComputeThreads(
        std::max(1, static_cast<int>(std::thread::hardware_concurrency()) - 1));

    loupe::app::Appearance appearance;
    appearance.start(parsed.options.theme, parsed.options.fontScale);
    loupe::app::MainWindow window(appearance);
    window.start(parsed.options);
    window.show();
    if (!parsed.options.screenshot.isEmpty()) {
        new loupe::app::Screenshot(window, parsed.options.screenshot);
    } else if (parsed.options.quitAfterPaint) {
        window.quitAfterPaint();
    }
    return QApplication::exec();
}
