// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QLabel;
class QToolButton;

namespace loupe::app {

class JobManager;

/// The running job that has been at it longest: title, count, bar, time left and a cross to stop
/// it. Appears after 300 ms; a click lists all running jobs.
class JobBar : public QWidget {
    Q_OBJECT

public:
    explicit JobBar(JobManager& jobs, QWidget* parent = nullptr);

protected:
    void mousePressEvent(QMouseEvent* event) override;

private:
    void update();
    void listJobs();

    JobManager& m_jobs;
    QString m_slot;
    QLabel* m_title = nullptr;
    QWidget* m_bar = nullptr;
    QLabel* m_left = nullptr;
    QToolButton* m_cancel = nullptr;
};

}  // namespace loupe::app
