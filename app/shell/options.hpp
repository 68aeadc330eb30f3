// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QSize>
#include <QString>
#include <QStringList>

namespace loupe::app {

/// The command line of tensorloupe (contract 6).
struct Options {
    QStringList paths;
    QString tensor;
    QString schemeA;
    QString schemeB;
    QString workspace;
    QString theme;
    double fontScale = 0;  ///< 0: as the settings say
    QSize size;
    QString screenshot;
    QString session;
    bool quitAfterPaint = false;
};

struct ParsedOptions {
    Options options;
    int exitCode = -1;  ///< >= 0: print `output` (stdout for 0, else stderr) and leave
    std::string output;
};

/// Needs no application object. Schemes are checked and made canonical.
[[nodiscard]] ParsedOptions parseOptions(int argc, const char* const* argv);

}  // namespace loupe::app
