// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/experiment/selftest.hpp"

#include <QDialog>

#include <memory>

class QLabel;
class QPushButton;

namespace loupe::app {

class JobManager;
class NumberTable;
class ProgressLine;

/// Help → Self-test: every code of every scalar format and golden blocks of every packed one,
/// checked on this machine while one looks on. Not modal.
class SelfTestDialog : public QDialog {
    Q_OBJECT

public:
    explicit SelfTestDialog(QWidget* parent = nullptr);
    ~SelfTestDialog() override;

    [[nodiscard]] bool running() const { return m_mail != nullptr; }
    [[nodiscard]] const SelfTestReport& report() const { return m_report; }
    [[nodiscard]] QString verdict() const;
    [[nodiscard]] NumberTable& table() const { return *m_table; }

signals:
    void finished();

private:
    struct Mail;
    void start();
    void drain();
    void showState();

    JobManager* m_jobs = nullptr;
    std::shared_ptr<Mail> m_mail;
    SelfTestReport m_report;
    bool m_stopped = false;
    QLabel* m_verdict = nullptr;
    ProgressLine* m_progress = nullptr;
    NumberTable* m_table = nullptr;
    QPushButton* m_again = nullptr;
};

/// Opens the window and begins.
void showSelfTest(QWidget* parent);

}  // namespace loupe::app
