// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QHash>
#include <QStringList>
#include <QWidget>

class QLabel;
class QListWidget;
class QToolButton;
class QVBoxLayout;

namespace loupe::app {

class ProgressLine;
class TimingModel;

/// One run of the queue: what, how far, and how to stop or repeat it.
class QueueRow : public QWidget {
    Q_OBJECT

public:
    QueueRow(TimingModel& model, QString run, QWidget* parent = nullptr);
    void refresh();
    [[nodiscard]] const QString& run() const { return m_run; }
    [[nodiscard]] QString stateText() const;
    [[nodiscard]] QToolButton* cancelButton() const { return m_cancel; }
    [[nodiscard]] QToolButton* repeatButton() const { return m_repeat; }

private:
    TimingModel& m_model;
    QString m_run;
    QLabel* m_title = nullptr;
    QLabel* m_state = nullptr;
    ProgressLine* m_line = nullptr;
    QToolButton* m_cancel = nullptr;
    QToolButton* m_repeat = nullptr;
};

/// Runs that wait or run, and under them the records that are kept, grouped by run.
class RunList : public QWidget {
    Q_OBJECT

public:
    explicit RunList(TimingModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QListWidget* list() const { return m_list; }
    [[nodiscard]] QStringList selectedRuns() const;
    [[nodiscard]] std::vector<QueueRow*> queueRows() const;

signals:
    void deleteRequested(const QStringList& runs);
    void importRequested();
    void exportRequested(const QString& kind);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void refreshQueue();
    void refreshRecords();
    void showSelected();
    void openMenu(const QPoint& position);

    TimingModel& m_model;
    bool m_updating = false;
    QLabel* m_queueTitle = nullptr;
    QVBoxLayout* m_queue = nullptr;
    QHash<QString, QueueRow*> m_rows;
    QLabel* m_title = nullptr;
    QLabel* m_count = nullptr;
    QListWidget* m_list = nullptr;
    QLabel* m_nothing = nullptr;
};

}  // namespace loupe::app
