// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/attention/size_form.hpp"

#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/attention/attention_model.hpp"

#include <QLabel>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

constexpr double kMostTokens = 2048;
constexpr double kMostDim = 256;
constexpr double kMostMemory = 262144;

}  // namespace

SizeForm::SizeForm(AttentionModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("attentionSizes"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(8));
    layout->setSpacing(Theme::px(6));
    auto* title = new QLabel(tr("Sizes"), this);
    setTextRole(title, TextRole::Heading);
    layout->addWidget(title);
    m_example = new SegmentedControl(this);
    m_example->setAccessibleName(tr("What is played"));
    m_example->setOptions({{QStringLiteral("random"),
                            tr("Random"),
                            tr("Normal Q, K and V, scores divided by √d; seed 1")},
                           {QStringLiteral("worked"),
                            tr("Worked example"),
                            tr("The lecture's four scores 1, 3, 2, 5 in two blocks")}});
    layout->addWidget(m_example);
    m_tokens = number(tr("Tokens N"), tr("Queries and keys of one head"), 4, kMostTokens);
    m_dim = number(tr("Head d"), tr("Numbers of a query, a key or a value"), 1, kMostDim);
    m_memory = number(tr("On-chip M"),
                      tr("Elements that the on-chip memory holds: 16 384 are 32 KiB of FP16"),
                      16,
                      kMostMemory);
    m_block = new SegmentedControl(this);
    m_block->setAccessibleName(tr("Rows of a block"));
    std::vector<SegmentedControl::Option> sizes;
    for (const int rows : {16, 32, 64, 128}) {
        sizes.push_back(
            {QString::number(rows), QString::number(rows), tr("B_r = B_c = %1").arg(rows)});
    }
    m_block->setOptions(sizes);
    m_blockRow = new FormRow(tr("Block"), m_block, this);
    m_blockRow->setHelp(tr("FlashAttention-2 takes blocks of 64 or 128 that fit the chip"));
    layout->addWidget(m_blockRow);
    m_causal = new Toggle(tr("Causal mask"), this);
    m_causal->setToolTip(
        tr("A query sees the keys up to its own place: tiles above the diagonal "
           "are skipped"));
    layout->addWidget(m_causal);
    m_facts = new QLabel(this);
    m_facts->setWordWrap(true);
    setTextRole(m_facts, TextRole::Small);
    setTone(m_facts, Tone::Secondary);
    layout->addWidget(m_facts);
    layout->addStretch(1);
    connect(m_example, &SegmentedControl::chosen, this, [this](const QString& id) {
        AttentionSettings settings = m_model.settings();
        settings.worked = id == QLatin1String("worked");
        m_model.change(settings);
    });
    connect(m_block, &SegmentedControl::chosen, this, [this](const QString& id) {
        AttentionSettings settings = m_model.settings();
        settings.block = id.toLongLong();
        m_model.change(settings);
    });
    connect(m_causal, &Toggle::toggled, this, [this] { edit(); });
    connect(&model, &AttentionModel::settingsChanged, this, &SizeForm::refresh);
    refresh();
}

NumberField* SizeForm::number(const QString& label,
                              const QString& help,
                              double least,
                              double most) {
    auto* field = new NumberField(this);
    field->setRange({least, most, true, true, {}});
    field->setNames(label, help);
    field->spinBox()->setMinimumWidth(Theme::px(88));
    auto* row = new FormRow(label, field, this);
    row->setHelp(help);
    layout()->addWidget(row);
    connect(field, &NumberField::valueEdited, this, [this] { edit(); });
    return field;
}

void SizeForm::edit() {
    AttentionSettings settings = m_model.settings();
    if (!settings.worked) {
        settings.size = {static_cast<std::int64_t>(m_tokens->value()),
                         static_cast<std::int64_t>(m_dim->value()),
                         static_cast<std::int64_t>(m_memory->value())};
    }
    settings.causal = m_causal->isChecked();
    m_model.change(settings);
}

QString SizeForm::facts() const {
    return m_facts->text();
}

void SizeForm::refresh() {
    const AttentionSettings& settings = m_model.settings();
    m_example->setCurrent(settings.worked ? QStringLiteral("worked") : QStringLiteral("random"));
    for (NumberField* field : {m_tokens, m_dim, m_memory}) {
        field->setEnabled(!settings.worked);
    }
    const AttentionSize size = settings.played();
    m_tokens->setValue(static_cast<double>(size.tokens));
    m_dim->setValue(static_cast<double>(size.dim));
    m_memory->setValue(static_cast<double>(size.memory));
    m_block->setCurrent(QString::number(settings.block));
    const bool ownBlock = settings.algorithm == AttentionAlgorithm::Flash2 && !settings.worked;
    m_blockRow->setVisible(ownBlock);
    {
        const QSignalBlocker blocker(m_causal);
        m_causal->setChecked(settings.causal);
    }
    const AttentionTiling tiling = settings.tiling();
    QStringList lines;
    if (settings.worked) {
        lines << tr(
            "Four alike queries, scores 1, 3 | 2, 5; V = (1,0) (0,1) (1,1) (2,−1); M = 16.");
    }
    if (!ownBlock) {
        lines << tr("B<sub>c</sub> = ⌈M / 4d⌉ = ⌈%1 / %2⌉ = %3; B<sub>r</sub> = min(%3, %4) = %5")
                     .arg(size.memory)
                     .arg(4 * size.dim)
                     .arg(tiling.keyRows)
                     .arg(size.dim)
                     .arg(tiling.queryRows);
    }
    lines << tr("T<sub>r</sub> = ⌈%1 / %2⌉ = %3; T<sub>c</sub> = ⌈%1 / %4⌉ = %5")
                 .arg(size.tokens)
                 .arg(tiling.queryRows)
                 .arg(tiling.queryBlocks)
                 .arg(tiling.keyRows)
                 .arg(tiling.keyBlocks);
    if (settings.causal && settings.algorithm != AttentionAlgorithm::Standard) {
        const CausalTiles tiles = causalTiles(tiling);
        lines << tr("%1 of %2 tiles computed, %3 with an elementwise mask")
                     .arg(tiles.computed)
                     .arg(tiles.total)
                     .arg(tiles.masked);
    }
    m_facts->setText(lines.join(QStringLiteral("<br>")));
}

}  // namespace loupe::app
