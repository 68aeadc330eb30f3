// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/record_panel.hpp"

#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/distribution.hpp"
#include "app/workspaces/timing/record_facts.hpp"
#include "app/workspaces/timing/timing_model.hpp"

#include <QGridLayout>
#include <QLabel>
#include <QScrollArea>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

QLabel* label(const QString& text, TextRole role, Tone tone, QWidget* parent) {
    auto* made = new QLabel(text, parent);
    setTextRole(made, role);
    setTone(made, tone);
    made->setWordWrap(true);
    return made;
}

}  // namespace

RecordPanel::RecordPanel(TimingModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("record"));
    setAccessibleName(tr("Selected case"));
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(0, 0, 0, 0);
    outer->setSpacing(0);
    auto* scroll = new QScrollArea(this);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->viewport()->setAutoFillBackground(false);
    auto* content = new QWidget;
    content->setAutoFillBackground(false);
    m_column = new QVBoxLayout(content);
    m_column->setContentsMargins(Theme::px(14), Theme::px(8), Theme::px(12), Theme::px(12));
    m_column->setSpacing(Theme::px(4));
    m_title = label({}, TextRole::Title, Tone::Normal, content);
    m_subtitle = label({}, TextRole::Small, Tone::Tertiary, content);
    m_distribution = new Distribution(content);
    m_notes = label({}, TextRole::Small, Tone::Normal, content);
    m_notes->setTextFormat(Qt::RichText);
    m_column->addWidget(m_title);
    m_column->addWidget(m_subtitle);
    m_column->addWidget(m_distribution);
    m_column->addWidget(m_notes);
    m_column->addStretch(1);
    scroll->setWidget(content);
    outer->addWidget(scroll, 1);
    connect(&model, &TimingModel::selectionChanged, this, &RecordPanel::refresh);
    refresh();
}

QStringList RecordPanel::notes() const {
    const CaseRow* row = m_model.selectedRow();
    return row != nullptr ? notesOf(*row->record()) : QStringList();
}

void RecordPanel::refresh() {
    if (m_facts != nullptr) {
        m_facts->hide();
        m_facts->deleteLater();
        m_facts = nullptr;
    }
    const CaseRow* row = m_model.selectedRow();
    if (row == nullptr) {
        m_title->setText(tr("No case selected"));
        m_subtitle->setText(
            tr("Run something, or choose a kept run on the left: its samples appear here."));
        m_distribution->setRecord(nullptr);
        m_notes->hide();
        return;
    }
    const RecordPtr record = row->record();
    m_title->setText(row->format);
    m_subtitle->setText(QStringLiteral("%1 %2 · %3")
                            .arg(operationText(record->what.operation), row->shape, row->kernel));
    m_distribution->setRecord(row->measured);
    QStringList lines = notes();
    if (row->teaching) {
        lines << tr("A teaching kernel: written to be read, without the newest instructions.");
    }
    QString html;
    for (const QString& line : lines) {
        html += QStringLiteral("<p style=\"margin:2px 0\"><span style=\"color:%1\">▲</span> %2</p>")
                    .arg(Theme::current().warning.name(), line.toHtmlEscaped());
    }
    m_notes->setText(html);
    m_notes->setVisible(!lines.isEmpty());
    std::vector<FactSection> sections = factsOf(*record);
    if (row->measured && row->counted) {
        sections.insert(sections.begin() + 2, countFacts(*row->counted->counts));
    }
    m_facts = new QWidget(this);
    auto* grid = new QGridLayout(m_facts);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(Theme::px(10));
    grid->setVerticalSpacing(Theme::px(3));
    grid->setColumnStretch(1, 1);
    int at = 0;
    for (const FactSection& section : sections) {
        auto* heading = label(section.title, TextRole::Heading, Tone::Normal, m_facts);
        heading->setContentsMargins(0, Theme::px(10), 0, Theme::px(2));
        grid->addWidget(heading, at++, 0, 1, 2);
        for (const auto& [name, value] : section.facts) {
            auto* left = label(name, TextRole::Small, Tone::Secondary, m_facts);
            auto* right = label(value, TextRole::Number, Tone::Normal, m_facts);
            right->setAlignment(Qt::AlignRight | Qt::AlignTop);
            right->setTextInteractionFlags(Qt::TextSelectableByMouse);
            right->setAccessibleName(name + QStringLiteral(": ") + value);
            grid->addWidget(left, at, 0, Qt::AlignTop);
            grid->addWidget(right, at++, 1);
        }
    }
    m_column->insertWidget(4, m_facts);
}

QString RecordPanel::copyText() const {
    const CaseRow* row = m_model.selectedRow();
    if (row == nullptr) {
        return {};
    }
    QString text;
    for (const FactSection& section : factsOf(*row->record())) {
        for (const auto& [name, value] : section.facts) {
            text += name + QLatin1Char('\t') + toAscii(value) + QLatin1Char('\n');
        }
    }
    return text;
}

}  // namespace loupe::app
