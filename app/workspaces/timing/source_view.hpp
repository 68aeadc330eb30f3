// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "gpu/timing/record.hpp"

#include <QPlainTextEdit>
#include <QWidget>

#include <map>

class QLabel;
class QLayout;
class QLineEdit;
class QStackedWidget;
class QToolButton;

namespace loupe::app {

class EmptyState;
class TimingModel;

/// What one line of a kernel moved, over all that it did.
struct LineTraffic {
    std::uint64_t globalBytes = 0;
    std::uint64_t sectors = 0;
    std::uint64_t idealSectors = 0;
    std::uint64_t sharedBytes = 0;
    std::uint64_t wavefronts = 0;
    std::uint64_t idealWavefronts = 0;
};

/// Traffic by line number of a family's file.
[[nodiscard]] std::map<int, LineTraffic> trafficByLine(const gpu::CountRecord& counts,
                                                       const QString& family);

/// Text with line numbers on the left and the counted traffic of each line on the right.
class SourceText : public QPlainTextEdit {
    Q_OBJECT

public:
    explicit SourceText(QWidget* parent = nullptr);
    void setSource(const QString& text, std::map<int, LineTraffic> traffic);
    [[nodiscard]] const std::map<int, LineTraffic>& traffic() const { return m_traffic; }
    /// What stands beside a line, in words.
    [[nodiscard]] QString wordsOf(int line) const;
    void goTo(int line);

protected:
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    /// One column of traffic instead of two: the code needs the room.
    [[nodiscard]] bool isNarrow() const;
    void arrange();
    void paintNumbers();
    void paintTraffic();
    void paintLine(QPainter& painter, const LineTraffic& t, const QRectF& rect) const;

    std::map<int, LineTraffic> m_traffic;
    QWidget* m_numbers = nullptr;
    QWidget* m_gutter = nullptr;
};

/// The source of the selected case's kernel, with search and copy.
class SourceView : public QWidget {
    Q_OBJECT

public:
    explicit SourceView(TimingModel& model, QWidget* parent = nullptr);
    [[nodiscard]] SourceText* text() const { return m_text; }
    [[nodiscard]] QLineEdit* search() const { return m_search; }
    [[nodiscard]] QString family() const { return m_family; }

private:
    QLayout* makeHead();
    void refresh();
    void find(bool backwards);

    TimingModel& m_model;
    QString m_family;
    QLabel* m_title = nullptr;
    QLabel* m_note = nullptr;
    QLineEdit* m_search = nullptr;
    QLabel* m_found = nullptr;
    QToolButton* m_copy = nullptr;
    QToolButton* m_heaviest = nullptr;
    QStackedWidget* m_stack = nullptr;
    SourceText* m_text = nullptr;
    EmptyState* m_empty = nullptr;
};

}  // namespace loupe::app
