// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QString>
#include <QTimer>

namespace loupe::app {

class MainWindow;

/// `--screenshot`: waits until every visible result is there and painted, writes the window as PNG
/// and quits with 0; with 1 and a message on stderr where that takes too long or the file cannot be
/// written.
class Screenshot : public QObject {
    Q_OBJECT

public:
    Screenshot(MainWindow& window, const QString& path);

private:
    void poll();
    void finish();

    MainWindow& m_window;
    QString m_path;
    QTimer m_timer;
    QElapsedTimer m_elapsed;
    int m_quiet = 0;
};

}  // namespace loupe::app
