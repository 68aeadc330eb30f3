// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <vector>

class QGridLayout;
class QLabel;
class QVBoxLayout;

namespace loupe::app {

class Distribution;
class TimingModel;

/// The selected case: its samples, what makes them doubtful, and everything its record says.
class RecordPanel : public QWidget {
    Q_OBJECT

public:
    explicit RecordPanel(TimingModel& model, QWidget* parent = nullptr);
    /// Names and values, one a line, tab between.
    [[nodiscard]] QString copyText() const;
    [[nodiscard]] QStringList notes() const;

private:
    void refresh();

    TimingModel& m_model;
    QLabel* m_title = nullptr;
    QLabel* m_subtitle = nullptr;
    Distribution* m_distribution = nullptr;
    QLabel* m_notes = nullptr;
    QWidget* m_facts = nullptr;
    QVBoxLayout* m_column = nullptr;
};

}  // namespace loupe::app
