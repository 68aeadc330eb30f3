// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/step_notes.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/equation_label.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/theatre/panel_layout.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QRegularExpression>
#include <QScrollArea>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

/// "w^ - w" is a hat and no exponent.
QString toQ(const std::string& text) {
    static const QRegularExpression kHat(QStringLiteral("([wWyYxX])\\^(?![\\w{(-])"));
    QString shown = QString::fromStdString(text);
    for (QRegularExpressionMatch match = kHat.match(shown); match.hasMatch();
         match = kHat.match(shown)) {
        const QString letter = match.captured(1);
        shown.replace(match.capturedStart(),
                      2,
                      (letter + QChar(0x302)).normalized(QString::NormalizationForm_C));
    }
    return shown;
}

/// A sentence with its subscripts and exponents, as HTML.
QString richText(const std::string& text) {
    static const QRegularExpression kLowered(
        QStringLiteral("(?:(?<=\\b[A-Za-z])|(?<=[\\])|]))_([A-Za-z0-9]+)"));
    static const QRegularExpression kRaised(QStringLiteral("\\^([A-Za-z0-9]+)"));
    return toQ(text)
        .toHtmlEscaped()
        .replace(kLowered, QStringLiteral("<sub>\\1</sub>"))
        .replace(kRaised, QStringLiteral("<sup>\\1</sup>"));
}

/// "expression = result  note"; without `equals` just "expression result  note".
std::vector<EquationRun> equation(const QString& expression,
                                  const QString& result,
                                  const QString& note,
                                  bool equals) {
    std::vector<EquationRun> runs = parseEquation(expression);
    if (!result.isEmpty()) {
        if (!runs.empty()) {
            runs.push_back({equals ? QStringLiteral(" = ") : QStringLiteral(" "), {}, {}, {}});
        }
        runs.push_back({result, EquationRun::Script::None, EquationRun::Weight::Result, {}});
    }
    if (!note.isEmpty()) {
        runs.push_back(
            {QStringLiteral("  "), EquationRun::Script::None, EquationRun::Weight::Label, {}});
        for (EquationRun run : parseEquation(withSquares(note))) {
            run.weight = EquationRun::Weight::Label;
            runs.push_back(std::move(run));
        }
    }
    return runs;
}

QLabel* label(TextRole role, Tone tone, QWidget* parent) {
    auto* made = new QLabel(parent);
    setTextRole(made, role);
    setTone(made, tone);
    made->setWordWrap(true);
    return made;
}

}  // namespace

NoteRow::NoteRow(QWidget* parent) : QWidget(parent) {
    setFocusPolicy(Qt::TabFocus);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(14), Theme::px(9), Theme::px(12), Theme::px(9));
    layout->setSpacing(Theme::px(2));
    auto* head = new QHBoxLayout;
    head->setSpacing(Theme::px(8));
    m_number = new QLabel(this);
    setTextRole(m_number, TextRole::Heading);
    m_title = new QLabel(this);
    m_title->setWordWrap(true);
    setTextRole(m_title, TextRole::Small);
    setTone(m_title, Tone::Secondary);
    head->addWidget(m_number);
    head->addWidget(m_title, 1);
    layout->addLayout(head);
    auto* lines = new QVBoxLayout;
    lines->setContentsMargins(Theme::px(16), 0, 0, 0);
    lines->setSpacing(0);
    for (int i = 0; i < 3; ++i) {
        auto* line = new EquationLabel(this);
        line->setFocusPolicy(Qt::NoFocus);
        line->setAttribute(Qt::WA_TransparentForMouseEvents);
        lines->addWidget(line);
        m_lines.push_back(line);
    }
    layout->addLayout(lines);
}

void NoteRow::setNote(int number, const TraceNote& note) {
    m_titleText = toQ(note.title);
    if (m_titleText.size() > 1 && m_titleText[1].isLetter()) {  // "s of input 1" stays
        m_titleText[0] = m_titleText[0].toUpper();
    }
    m_number->setText(QString::number(number));
    m_title->setText(m_titleText);
    const QString formula = toQ(note.formula);
    const QString equals = formula.isEmpty() ? QString() : QStringLiteral("= ");
    const QString substituted =
        note.substituted.empty() ? QString() : equals + toQ(note.substituted);
    const QString result = toQ(note.result);
    // The result begins a line of its own where it would be torn from its equals sign.
    const double room = width() - Theme::px(46);
    const bool apart =
        !substituted.isEmpty() &&
        textWidth(substituted + QStringLiteral(" = ") + result, TextRole::Equation) > room;
    m_lines[0]->setRuns(parseEquation(formula));
    m_lines[1]->setRuns(
        apart
            ? parseEquation(substituted)
            : equation(substituted.isEmpty() && !result.isEmpty() ? equals.trimmed() : substituted,
                       result,
                       toQ(note.note),
                       !substituted.isEmpty()));
    m_lines[2]->setRuns(apart ? equation(QStringLiteral("="), result, toQ(note.note), false)
                              : std::vector<EquationRun>{});
    for (EquationLabel* line : m_lines) {
        line->setVisible(!line->runs().empty());
    }
    setAccessibleName(text());
}

QString NoteRow::text() const {
    QStringList parts{m_number->text() + QStringLiteral(". ") + m_titleText};
    for (const EquationLabel* line : m_lines) {
        if (!line->isHidden()) {
            parts << line->plainText();
        }
    }
    return parts.join(QLatin1Char('\n'));
}

void NoteRow::setCurrent(bool current) {
    if (current != m_current) {
        m_current = current;
        setTextRole(m_title, current ? TextRole::Heading : TextRole::Small);
        setTone(m_title, current ? Tone::Normal : Tone::Secondary);
        update();
    }
}

void NoteRow::paintEvent(QPaintEvent*) {
    const Theme& theme = Theme::current();
    QPainter painter(this);
    if (m_current) {
        painter.fillRect(rect(), theme.selected);
        painter.fillRect(QRect(0, 0, 3, height()), theme.text);
    }
    painter.setPen(theme.line);
    painter.drawLine(0, height() - 1, width(), height() - 1);
    if (hasFocus()) {
        drawFocusRing(painter, QRectF(rect()));
    }
}

void NoteRow::mousePressEvent(QMouseEvent*) {
    emit chosen();
}

void NoteRow::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
        emit chosen();
    } else {
        QWidget::keyPressEvent(event);
    }
}

StepNotes::StepNotes(TheatreModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("step"));
    setAccessibleName(tr("This step, worked out"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* scroll = new QScrollArea(this);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setFocusPolicy(Qt::NoFocus);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    layout->addWidget(scroll);
    auto* content = new QWidget(scroll);
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    auto* head = new QVBoxLayout;
    head->setContentsMargins(Theme::px(14), Theme::px(8), Theme::px(12), Theme::px(8));
    head->setSpacing(Theme::px(4));
    auto* line = new QHBoxLayout;
    line->setSpacing(Theme::px(8));
    m_step = new QLabel(content);
    setTextRole(m_step, TextRole::Heading);
    m_hint = new QLabel(tr("click any cell to follow it"), content);
    setTextRole(m_hint, TextRole::Small);
    setTone(m_hint, Tone::Tertiary);
    m_hint->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    line->addWidget(m_step);
    line->addWidget(m_hint, 1);
    head->addLayout(line);
    m_title = label(TextRole::Title, Tone::Normal, content);
    m_sentence = label(TextRole::Body, Tone::Secondary, content);
    m_sentence->setTextFormat(Qt::RichText);
    head->addWidget(m_title);
    head->addWidget(m_sentence);
    column->addLayout(head);
    m_list = new QVBoxLayout;
    m_list->setSpacing(0);
    column->addLayout(m_list);
    m_nothing = label(TextRole::Small, Tone::Tertiary, content);
    m_nothing->setContentsMargins(Theme::px(14), Theme::px(4), Theme::px(12), Theme::px(8));
    m_nothing->setText(tr("Nothing is worked out at this cell in this step."));
    column->addWidget(m_nothing);
    column->addStretch(1);
    scroll->setWidget(content);
    connect(&model, &TheatreModel::cellChanged, this, &StepNotes::refresh);
    connect(&model, &TheatreModel::traceChanged, this, &StepNotes::refresh);
    refresh();
}

QString StepNotes::heading() const {
    return m_step->text();
}

void StepNotes::refresh() {
    const TraceState* state = m_model.state();
    setEnabled(state != nullptr);
    if (state == nullptr) {
        for (QLabel* each : {m_step, m_title, m_sentence}) {
            each->clear();
        }
        for (NoteRow* row : m_rows) {
            row->hide();
        }
        m_hint->hide();
        m_nothing->hide();
        m_shown = 0;
        return;
    }
    const TraceCell cell = m_model.cell();
    std::int64_t column = cell.col;
    if (!state->panels.empty() && state->panels.front().columnOrder) {
        column = (*state->panels.front().columnOrder)[static_cast<std::size_t>(cell.col)];
    }
    m_step->setText(
        tr("Step %1, row %2, column %3").arg(m_model.stateIndex() + 1).arg(cell.row).arg(column));
    m_hint->show();
    m_title->setText(toQ(state->title));
    m_sentence->setText(richText(state->sentence));
    m_sentence->setVisible(!state->sentence.empty());
    const std::vector<TraceNote> notes = m_model.notes();
    for (std::size_t i = 0; i < notes.size(); ++i) {
        if (i == m_rows.size()) {
            auto* row = new NoteRow(this);
            connect(row, &NoteRow::chosen, this, [this, row] {
                m_current = m_current == row->title() ? QString() : row->title();
                markCurrent();
            });
            m_list->addWidget(row);
            m_rows.push_back(row);
        }
        m_rows[i]->setNote(static_cast<int>(i + 1), notes[i]);
        m_rows[i]->show();
    }
    for (std::size_t i = notes.size(); i < m_rows.size(); ++i) {
        m_rows[i]->hide();
    }
    m_shown = static_cast<int>(notes.size());
    m_nothing->setVisible(notes.empty());
    markCurrent();
}

void StepNotes::markCurrent() {
    for (NoteRow* row : m_rows) {
        row->setCurrent(!m_current.isEmpty() && row->title() == m_current);
    }
}

}  // namespace loupe::app
