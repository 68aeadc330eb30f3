// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <vector>

class QLabel;
class QScrollArea;
class QVBoxLayout;

namespace loupe {
struct TraceNote;
}

namespace loupe::app {

class EquationLabel;
class TheatreModel;

/// One numbered part of a step: the rule, the rule with this cell's numbers, what comes out.
class NoteRow : public QWidget {
    Q_OBJECT

public:
    explicit NoteRow(QWidget* parent = nullptr);
    void setNote(int number, const TraceNote& note);
    void setCurrent(bool current);
    [[nodiscard]] bool isCurrent() const { return m_current; }
    [[nodiscard]] QString title() const { return m_titleText; }
    /// All of it as plain text.
    [[nodiscard]] QString text() const;

signals:
    void chosen();

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    QLabel* m_number = nullptr;
    QLabel* m_title = nullptr;
    std::vector<EquationLabel*> m_lines;
    QString m_titleText;
    bool m_current = false;
};

/// What happens at the chosen cell in this state, worked out.
class StepNotes : public QWidget {
    Q_OBJECT

public:
    explicit StepNotes(TheatreModel& model, QWidget* parent = nullptr);
    [[nodiscard]] const std::vector<NoteRow*>& rows() const { return m_rows; }
    [[nodiscard]] int shown() const { return m_shown; }
    [[nodiscard]] QString heading() const;

private:
    void refresh();
    void markCurrent();

    TheatreModel& m_model;
    QLabel* m_step = nullptr;
    QLabel* m_hint = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_sentence = nullptr;
    QLabel* m_nothing = nullptr;
    QVBoxLayout* m_list = nullptr;
    std::vector<NoteRow*> m_rows;
    int m_shown = 0;
    QString m_current;  ///< title of the highlighted part: stays while the states go by
};

}  // namespace loupe::app
