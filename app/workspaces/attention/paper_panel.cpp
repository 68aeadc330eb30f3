// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/attention/attention_model.hpp"
#include "app/workspaces/attention/step_panels.hpp"

#include <QEvent>
#include <QLabel>
#include <QVBoxLayout>

namespace loupe::app {

PaperPanel::PaperPanel(AttentionModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(4), Theme::px(8));
    layout->setSpacing(Theme::px(4));
    auto* title = new QLabel(tr("The paper's figure"), this);
    setTextRole(title, TextRole::Heading);
    layout->addWidget(title);
    m_table = new NumberTable({tr("GPT-2 medium, A100"), tr("printed"), tr("counted")}, this);
    m_table->setAccessibleName(tr("The paper's figure, printed and counted"));
    m_table->setSelectionMode(QAbstractItemView::NoSelection);
    m_table->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    layout->addWidget(m_table);
    m_note = new QLabel(this);
    m_note->setWordWrap(true);
    setTextRole(m_note, TextRole::Small);
    setTone(m_note, Tone::Secondary);
    layout->addWidget(m_note);
    connect(&model, &AttentionModel::settingsChanged, this, &PaperPanel::refresh);
    refresh();
}

void PaperPanel::refresh() {
    const std::int64_t memory = m_model.settings().size.memory;
    const PaperFigure figure = paperFigure(memory);
    const struct {
        QString name;
        QString printed;
        QString counted;
    } rows[] = {
        {tr("GFLOP, standard"),
         formatFixed(figure.standardGflops, 1),
         formatFixed(figure.standardMatmulGflop, 1)},
        {tr("GFLOP, tiled"),
         formatFixed(figure.flashGflops, 1),
         formatFixed(figure.flashMatmulGflop, 1)},
        {tr("GB, standard"),
         formatFixed(figure.standardGigabytes, 1),
         formatFixed(figure.standardForwardGigabytes + figure.standardBackwardGigabytes, 1)},
        {tr("GB, tiled"), formatFixed(figure.flashGigabytes, 1), tr("–")},
        {tr("GB, tiled, forward"), tr("–"), formatFixed(figure.flashForwardGigabytes, 2)},
    };
    m_table->setRowCount(static_cast<int>(std::size(rows)));
    int row = 0;
    for (const auto& each : rows) {
        m_table->setCell(row, 0, each.name);
        m_table->setCell(row, 1, each.printed);
        m_table->setCell(row, 2, each.counted);
        ++row;
    }
    m_table->setFixedHeight(m_table->fullHeight());
    m_note->setText(
        tr("N = 1024, d = 64, 16 heads, batch 64, forward and backward; counted tiled forward with "
           "M = %1. The matrix products of that workload are 12 times the printed GFLOPs; the "
           "cause "
           "is not known. One pass over all scores is %2 GB in FP16: the printed 40.3 GB are "
           "nearly "
           "19 of them, the algorithm alone makes fewer; mask and dropout may be the rest.")
            .arg(formatCount(memory), formatFixed(figure.scorePassGigabytes, 3)));
}

}  // namespace loupe::app
