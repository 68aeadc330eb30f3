// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "core/scheme/step.hpp"

#include <QString>
#include <QWidget>

#include <vector>

namespace loupe::app {

/// The worked equation of one scheme: a badge and a title, then one line a term, "label  expression
/// = result", with notes. Wraps at the width that it gets; nothing is cut.
class WorkedLines : public QWidget {
    Q_OBJECT

public:
    explicit WorkedLines(Side side, QWidget* parent = nullptr);

    void setLines(const QString& title, const std::vector<EquationLine>& lines);
    /// Instead of lines: "needs activations", an error, "computing".
    void setMessage(const QString& title, const QString& message, bool isError);
    /// Everything on it as text, one line a term.
    [[nodiscard]] QString text() const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Line {
        QString label;
        QString expression;
        QString result;
        QString note;
    };
    /// Draws, or with a null painter only measures; returns the height.
    double layout(QPainter* painter, double width) const;
    double layoutLine(
        QPainter* painter, const Line& line, double left, double y, double width) const;

    Side m_side;
    QString m_title;
    QString m_message;
    bool m_isError = false;
    std::vector<Line> m_lines;
};

}  // namespace loupe::app
