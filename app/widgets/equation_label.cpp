// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/equation_label.hpp"

#include <QApplication>
#include <QClipboard>
#include <QEvent>
#include <QFontMetricsF>
#include <QKeyEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

#include "app/widgets/theme.hpp"
#include "core/scheme/step.hpp"

namespace loupe::app {

namespace {

constexpr double kScriptSize = 0.74;

bool isSubField(FieldKind kind) {
    return kind == FieldKind::SubScale || kind == FieldKind::SubMinimum || kind == FieldKind::HighBits || kind == FieldKind::GridIndex;
}

QString typeset(QString text) {
    // A minus between or before numbers; names such as "round-trip" do not occur in equations.
    return text.replace(QLatin1Char('-'), QChar(0x2212));
}

}  // namespace

std::vector<EquationRun> parseEquation(const QString& text) {
    std::vector<EquationRun> runs;
    QString plain;
    const auto flush = [&] {
        if (!plain.isEmpty()) {
            EquationRun run;
            run.text = typeset(plain);
            runs.push_back(run);
            plain.clear();
        }
    };
    for (qsizetype i = 0; i < text.size(); ++i) {
        const QChar c = text[i];
        if ((c != QLatin1Char('^') && c != QLatin1Char('_')) || i + 1 >= text.size() || i == 0) {
            plain += c;
            continue;
        }
        const QChar open = text[i + 1];
        const QChar close = open == QLatin1Char('{') ? QLatin1Char('}') : open == QLatin1Char('(') ? QLatin1Char(')') : QChar();
        qsizetype end = i + 2;
        QString script;
        if (!close.isNull()) {
            end = text.indexOf(close, i + 2);
            if (end < 0) {
                plain += c;
                continue;
            }
            script = text.mid(i + 2, end - i - 2);
            ++end;
        } else {
            while (end < text.size() && (text[end].isLetterOrNumber() || text[end] == QLatin1Char('.'))) {
                ++end;
            }
            script = text.mid(i + 1, end - i - 1);
        }
        flush();
        EquationRun run;
        run.text = typeset(script);
        run.script = c == QLatin1Char('^') ? EquationRun::Script::Raised : EquationRun::Script::Lowered;
        runs.push_back(run);
        i = end - 1;
    }
    flush();
    return runs;
}

std::vector<EquationRun> equationRuns(const EquationLine& line) {
    std::vector<EquationRun> runs;
    const auto add = [&](const QString& text, EquationRun::Weight weight) {
        EquationRun run;
        run.text = text;
        run.weight = weight;
        runs.push_back(run);
    };
    if (!line.label.empty()) {
        add(QString::fromStdString(line.label) + QLatin1Char(' '), EquationRun::Weight::Label);
    }
    for (const EquationRun& run : parseEquation(QString::fromStdString(line.expression))) {
        runs.push_back(run);
    }
    if (!line.result.empty()) {
        if (!line.expression.empty()) {
            add(QStringLiteral(" = "), EquationRun::Weight::Normal);
        }
        add(typeset(QString::fromStdString(line.result)), EquationRun::Weight::Result);
    }
    if (!line.note.empty()) {
        add(QStringLiteral("  ") + QString::fromStdString(line.note), EquationRun::Weight::Label);
    }
    return runs;
}

EquationLabel::EquationLabel(QWidget* parent) : QWidget(parent) {
    setTextRole(this, TextRole::Equation);
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    setFocusPolicy(Qt::ClickFocus);
}

void EquationLabel::setRuns(const std::vector<EquationRun>& runs) {
    if (runs == m_runs) {
        return;
    }
    m_runs = runs;
    setAccessibleName(plainText());
    updateGeometry();
    update();
}

QString EquationLabel::plainText() const {
    QString text;
    for (const EquationRun& run : m_runs) {
        switch (run.script) {
            case EquationRun::Script::None: text += run.text; break;
            case EquationRun::Script::Raised: text += QStringLiteral("^(%1)").arg(run.text); break;
            case EquationRun::Script::Lowered: text += QStringLiteral("_%1").arg(run.text); break;
        }
    }
    return text;
}

QFont EquationLabel::fontOf(const EquationRun& run) const {
    QFont face = run.weight == EquationRun::Weight::Label ? Theme::font(TextRole::Small) : font();
    if (run.weight == EquationRun::Weight::Result) {
        face.setBold(true);
    }
    if (run.script != EquationRun::Script::None) {
        face.setPixelSize(std::max(8, qRound(face.pixelSize() * kScriptSize)));
    }
    return face;
}

double EquationLabel::lineHeight() const { return std::round(24 * Theme::fontScale()); }

std::vector<EquationLabel::Piece> EquationLabel::layOut(double width, int* lines, double* used) const {
    std::vector<Piece> pieces;
    double x = 0;
    int line = 0;
    double widest = 0;
    for (const EquationRun& run : m_runs) {
        const QFontMetricsF metrics(fontOf(run));
        // Words with the blanks after them; a script sticks to what it stands on.
        qsizetype begin = 0;
        while (begin < run.text.size()) {
            qsizetype end = begin;
            while (end < run.text.size() && !run.text[end].isSpace()) {
                ++end;
            }
            while (end < run.text.size() && run.text[end].isSpace()) {
                ++end;
            }
            Piece piece{run.text.mid(begin, end - begin), &run, x, line, 0};
            piece.width = metrics.horizontalAdvance(piece.text);
            const double inked = metrics.horizontalAdvance(piece.text.trimmed());
            if (x > 0 && x + inked > width && run.script == EquationRun::Script::None) {
                x = 0;
                piece.x = 0;
                piece.line = ++line;
            }
            x += piece.width;
            widest = std::max(widest, x);
            pieces.push_back(piece);
            begin = end;
        }
    }
    if (lines != nullptr) {
        *lines = line + 1;
    }
    if (used != nullptr) {
        *used = widest;
    }
    return pieces;
}

QSize EquationLabel::sizeHint() const {
    double used = 0;
    int lines = 1;
    (void)layOut(1e9, &lines, &used);
    return {static_cast<int>(std::ceil(used)) + 1, static_cast<int>(lineHeight())};
}

QSize EquationLabel::minimumSizeHint() const { return {Theme::px(80), static_cast<int>(lineHeight())}; }

int EquationLabel::heightForWidth(int width) const {
    int lines = 1;
    (void)layOut(width, &lines, nullptr);
    return static_cast<int>(lines * lineHeight());
}

void EquationLabel::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const QFontMetricsF base(font());
    const double scale = Theme::fontScale();
    for (const Piece& piece : layOut(width(), nullptr, nullptr)) {
        const EquationRun& run = *piece.run;
        const double top = piece.line * lineHeight();
        const double baseline = top + (lineHeight() - base.height()) / 2 + base.ascent();
        const double shift = run.script == EquationRun::Script::Raised    ? -base.ascent() * 0.36
                             : run.script == EquationRun::Script::Lowered ? base.ascent() * 0.18
                                                                          : 0;
        painter.setFont(fontOf(run));
        painter.setPen(run.weight == EquationRun::Weight::Label ? t.text2 : t.text);
        painter.drawText(QPointF(piece.x, baseline + shift), piece.text);
        if (run.field) {
            const double inked = QFontMetricsF(painter.font()).horizontalAdvance(piece.text.trimmed());
            QPen pen(fieldColour(*run.field), 3 * scale);
            pen.setCapStyle(Qt::FlatCap);
            if (isSubField(*run.field)) {
                pen.setDashPattern({1, 1});
            }
            painter.setPen(pen);
            const double y = baseline + 5 * scale;
            painter.drawLine(QPointF(piece.x, y), QPointF(piece.x + inked, y));
        }
    }
}

void EquationLabel::keyPressEvent(QKeyEvent* event) {
    if (event->matches(QKeySequence::Copy)) {
        QString text = plainText();
        QApplication::clipboard()->setText(text.replace(QChar(0x2212), QLatin1Char('-')));
        return;
    }
    QWidget::keyPressEvent(event);
}

void EquationLabel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange) {
        updateGeometry();
        update();
    }
}

}  // namespace loupe::app
