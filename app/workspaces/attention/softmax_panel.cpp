// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/equation_label.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "app/workspaces/attention/attention_model.hpp"
#include "app/workspaces/attention/step_panels.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include <cmath>

namespace loupe::app {

namespace {

constexpr int kDigits = 6;  // of what goes into a formula; its result has one less

QString number(double value, int digits = kDigits) {
    return formatNumber(value, digits);
}

/// e^(from - to); nothing has been seen yet: 0.
double decay(double from, double to) {
    return std::isinf(to) ? 0 : std::exp(from - to);
}

QStringList rowLines(const AttentionStep& step, std::size_t r, bool unnormalised) {
    const double rescale = decay(step.oldMax[r], step.max[r]);
    const double fresh = decay(step.tileMax[r], step.max[r]);
    QStringList lines;
    lines << QStringLiteral("m′ = max(m, m_{tile}) = max(%1, %2) = %3")
                 .arg(number(step.oldMax[r]), number(step.tileMax[r]), number(step.max[r], 5));
    lines << QStringLiteral("e^{m - m′} = e^{%1} = %2")
                 .arg(number(step.oldMax[r] - step.max[r]), number(rescale, 5));
    lines << QStringLiteral("e^{m_tile - m′} = e^{%1} = %2")
                 .arg(number(step.tileMax[r] - step.max[r]), number(fresh, 5));
    lines << QStringLiteral(
                 "ℓ′ = e^{m - m′} · ℓ + e^{m_tile - m′} · ℓ_{tile} = %1 · %2 + %3 · %4 = %5")
                 .arg(number(rescale),
                      number(step.oldSum[r]),
                      number(fresh),
                      number(step.tileSum[r]),
                      number(step.sum[r], 5));
    if (step.output.cols() > 0) {
        const double out = step.output(static_cast<std::int64_t>(r), 0);
        lines << (unnormalised
                      ? QStringLiteral("O′ = e^{m - m′} · O + e^{m_tile - m′} · P_{tile} V = "
                                       "(%1, …)")
                      : QStringLiteral("O′ = (e^{m - m′} · ℓ · O + e^{m_tile - m′} · P_{tile} V) / "
                                       "ℓ′ = (%1, …)"))
                     .arg(number(out, 5));
    }
    return lines;
}

QStringList standardLines(const AttentionStep& step, std::size_t r) {
    const auto row = static_cast<std::int64_t>(r);
    switch (step.pass) {
        case AttentionPass::Scores:
            return {QStringLiteral("S = Q K^T"),
                    QStringLiteral("S_{row} = (%1, …)").arg(number(step.scores(row, 0), 5))};
        case AttentionPass::Softmax:
            return {QStringLiteral("P = e^{S - m} / ℓ"),
                    QStringLiteral("m = %1,  ℓ = %2")
                        .arg(number(step.max[r], 5), number(step.sum[r], 5)),
                    QStringLiteral("P_{row} = (%1, …)").arg(number(step.scores(row, 0), 5))};
        case AttentionPass::Output:
        case AttentionPass::Tile:
            break;
    }
    return {QStringLiteral("O = P V"),
            QStringLiteral("O_{row} = (%1, …)").arg(number(step.output(row, 0), 5))};
}

}  // namespace

SoftmaxPanel::SoftmaxPanel(AttentionModel& model, QWidget* parent)
    : QWidget(parent), m_model(model) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(8), 0, 0);
    layout->setSpacing(Theme::px(4));
    auto* head = new QHBoxLayout;
    head->setContentsMargins(0, 0, Theme::px(12), 0);
    auto* title = new QLabel(tr("Query"), this);
    setTextRole(title, TextRole::Heading);
    head->addWidget(title);
    m_row = new ValueSpinBox(this);
    m_row->setDecimals(0);
    m_row->setStepping(true, false);
    m_row->setKeyboardTracking(false);
    m_row->setAccessibleName(tr("Query that is followed"));
    setTextRole(m_row, TextRole::Number);
    head->addWidget(m_row);
    auto* subtitle = new QLabel(tr("running softmax"), this);
    setTextRole(subtitle, TextRole::Small);
    setTone(subtitle, Tone::Tertiary);
    head->addWidget(subtitle, 1);
    layout->addLayout(head);
    m_table =
        new NumberTable({tr("keys"), tr("tile's max"), tr("m"), tr("e^(m−m′)"), tr("ℓ")}, this);
    m_table->setAccessibleName(tr("Running softmax of the query, tile by tile"));
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setMinimumHeight(Theme::px(96));
    layout->addWidget(m_table, 1);
    connect(m_row, &QDoubleSpinBox::valueChanged, this, [this](double value) {
        if (!m_updating) {
            m_model.setRow(static_cast<std::int64_t>(value));
        }
    });
    connect(m_table, &QTableWidget::itemSelectionChanged, this, [this] {
        const int row = m_table->currentRow();
        if (!m_updating && row >= 0 && m_table->hasFocus()) {
            m_model.chooseTile(m_model.queryBlock(),
                               m_table->item(row, 0)->data(Qt::UserRole).toLongLong());
        }
    });
    connect(&model, &AttentionModel::traceChanged, this, &SoftmaxPanel::refresh);
    connect(&model, &AttentionModel::tileChanged, this, &SoftmaxPanel::refresh);
    refresh();
}

void SoftmaxPanel::refresh() {
    m_updating = true;
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    setEnabled(trace != nullptr);
    if (!trace) {
        m_table->setRowCount(0);
        m_updating = false;
        return;
    }
    const AttentionTiling& tiling = trace->tiling;
    m_row->setRange(0, static_cast<double>(tiling.tokens - 1));
    m_row->setValue(static_cast<double>(m_model.row()));
    const std::int64_t i = m_model.queryBlock();
    const auto r = static_cast<std::size_t>(m_model.row() - tiling.firstQuery(i));
    int rows = 0;
    int current = -1;
    const auto add = [&](const AttentionStep& step, std::int64_t j, const QString& name) {
        m_table->setRowCount(rows + 1);
        m_table->setCell(rows, 0, name);
        m_table->item(rows, 0)->setData(Qt::UserRole, static_cast<qint64>(j));
        m_table->setCell(rows, 1, formatFixed(step.tileMax[r], 3));
        m_table->setCell(rows, 2, formatFixed(step.max[r], 3));
        const bool firstTile = step.oldMax.empty() || std::isinf(step.oldMax[r]);
        m_table->setCell(
            rows,
            3,
            firstTile ? QStringLiteral("–") : formatFixed(decay(step.oldMax[r], step.max[r]), 4));
        m_table->setCell(rows, 4, formatFixed(step.sum[r], 3));
        if (j == m_model.keyBlock()) {
            current = rows;
        }
        ++rows;
    };
    if (trace->algorithm == AttentionAlgorithm::Standard) {
        const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(tiling.queryBlocks + i);
        if (at <= static_cast<std::ptrdiff_t>(m_model.stepIndex())) {
            add(trace->steps[static_cast<std::size_t>(at)], 0, tr("all %1").arg(tiling.tokens));
        }
    } else {
        for (std::int64_t j = 0; j < tiling.keyBlocks; ++j) {
            const std::ptrdiff_t at = m_model.stepOf(i, j);
            if (at >= 0) {
                const std::int64_t first = tiling.firstKey(j);
                add(trace->steps[static_cast<std::size_t>(at)],
                    j,
                    tiling.keysOf(j) == 1
                        ? QString::number(first)
                        : QStringLiteral("%1 – %2").arg(first).arg(first + tiling.keysOf(j) - 1));
            }
        }
    }
    m_table->setRowCount(rows);
    m_table->clearSelection();
    if (current >= 0) {
        m_table->setCurrentCell(current, 0);
        m_table->scrollToItem(m_table->item(current, 0));
    }
    m_updating = false;
}

FormulaPanel::FormulaPanel(AttentionModel& model, QWidget* parent)
    : QWidget(parent), m_model(model) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(8));
    layout->setSpacing(Theme::px(5));
    m_title = new QLabel(this);
    setTextRole(m_title, TextRole::Heading);
    m_title->setWordWrap(true);
    layout->addWidget(m_title);
    m_sentence = new QLabel(this);
    setTextRole(m_sentence, TextRole::Small);
    setTone(m_sentence, Tone::Secondary);
    m_sentence->setWordWrap(true);
    layout->addWidget(m_sentence);
    setAccessibleName(tr("This step with its numbers"));
    connect(&model, &AttentionModel::traceChanged, this, &FormulaPanel::refresh);
    connect(&model, &AttentionModel::tileChanged, this, &FormulaPanel::refresh);
    refresh();
}

void FormulaPanel::setLines(const QStringList& lines) {
    while (m_lines.size() < static_cast<std::size_t>(lines.size())) {
        m_lines.push_back(new EquationLabel(this));
        layout()->addWidget(m_lines.back());
    }
    for (std::size_t k = 0; k < m_lines.size(); ++k) {
        const bool shown = k < static_cast<std::size_t>(lines.size());
        m_lines[k]->setVisible(shown);
        if (shown) {
            m_lines[k]->setRuns(parseEquation(lines[static_cast<qsizetype>(k)]));
        }
    }
}

void FormulaPanel::refresh() {
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    const AttentionStep* step = m_model.followed();
    if (!trace || step == nullptr) {
        m_title->setText(trace ? tr("Tile of another step") : QString());
        m_sentence->setText(
            !trace ? QString()
            : trace->causal && trace->algorithm != AttentionAlgorithm::Standard &&
                    !trace->tiling.isNeeded(m_model.queryBlock(), m_model.keyBlock())
                ? tr("Every key of this tile comes after every query: it is skipped.")
                : tr("This tile is not computed yet."));
        setLines({});
        return;
    }
    const AttentionTiling& tiling = trace->tiling;
    const auto r = static_cast<std::size_t>(m_model.row() - tiling.firstQuery(step->queryBlock));
    if (trace->algorithm == AttentionAlgorithm::Standard) {
        m_title->setText(step->pass == AttentionPass::Scores    ? tr("Scores")
                         : step->pass == AttentionPass::Softmax ? tr("Softmax")
                                                                : tr("Output"));
        m_sentence->setText(step->pass == AttentionPass::Scores
                                ? tr("S is made whole and written to main memory.")
                            : step->pass == AttentionPass::Softmax
                                ? tr("S is read again, P is written to main memory.")
                                : tr("P is read again; only now is O written."));
        setLines(standardLines(*step, r));
        return;
    }
    const bool second = trace->algorithm == AttentionAlgorithm::Flash2;
    m_title->setText(tr("Tile of queries %1, keys %2").arg(step->queryBlock).arg(step->keyBlock));
    m_sentence->setText(
        step->masked
            ? tr("Keys after a query are hidden one by one: the tile lies on the diagonal.")
        : step->finishes
            ? tr("The last keys of this row of tiles: O is divided by ℓ and written, once.")
        : second
            ? tr("O stays on the chip, not yet divided by ℓ.")
            : tr("O, m and ℓ of these queries are read, brought up to date and written back."));
    QStringList lines = rowLines(*step, r, second && !step->finishes);
    if (second && step->finishes) {
        lines.removeLast();
        lines << QStringLiteral("O = O′ / ℓ′ = (%1, …)")
                     .arg(number(step->output(static_cast<std::int64_t>(r), 0), 5));
        lines << QStringLiteral("L = m′ + ln ℓ′ = %1 + ln %2 = %3")
                     .arg(number(step->max[r]),
                          number(step->sum[r]),
                          number(step->max[r] + std::log(step->sum[r]), 5));
    }
    setLines(lines);
}

}  // namespace loupe::app
