// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/attention/attention_bar.hpp"

#include "app/widgets/controls.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/play_controls.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/attention/attention_model.hpp"

#include <QAbstractButton>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>

namespace loupe::app {

namespace {

QString idOf(AttentionAlgorithm algorithm) {
    const std::string_view name = attentionName(algorithm);
    return QString::fromLatin1(name.data(), static_cast<qsizetype>(name.size()));
}

}  // namespace

AttentionBar::AttentionBar(AttentionModel& model, QWidget* parent)
    : ContextRow(parent), m_model(model) {
    setObjectName(QStringLiteral("attentionBar"));
    setAccessibleName(tr("Playing attention"));
    setFixedHeight(Theme::px(40));
    m_title = new QLabel(this);
    setTextRole(m_title, TextRole::Heading);
    row()->addWidget(m_title);
    m_facts = new FactChip({}, this);
    row()->addWidget(m_facts);
    row()->addStretch(2);
    m_player = new PlayControls(
        *this, *row(), {QStringLiteral("playAttention"), QStringLiteral("attentionPosition")});
    connect(m_player, &PlayControls::moved, this, [this](int by) { m_model.move(by); });
    connect(m_player, &PlayControls::playToggled, this, [this](bool on) {
        m_model.setPlaying(on);
    });
    connect(m_player, &PlayControls::positionChosen, this, [this](qulonglong step) {
        m_model.setStep(static_cast<std::size_t>(step));
    });
    connect(m_player, &PlayControls::speedChosen, this, [this](double speed) {
        m_model.setSpeed(speed);
    });
    row()->addStretch(1);
    m_algorithm = new SegmentedControl(this);
    m_algorithm->setAccessibleName(tr("Algorithm"));
    m_algorithm->setOptions({{QStringLiteral("standard"),
                              tr("Standard"),
                              tr("Scores, softmax and output each through main memory")},
                             {QStringLiteral("flash1"),
                              tr("FA1"),
                              tr("FlashAttention: keys and values outside, queries inside")},
                             {QStringLiteral("flash2"),
                              tr("FA2"),
                              tr("FlashAttention-2: queries outside, one division at the end")}});
    m_algorithm->setCompact(true);
    m_algorithm->setMaximumHeight(Theme::px(28));
    row()->addWidget(m_algorithm);
    connect(m_algorithm, &SegmentedControl::chosen, this, [this](const QString& id) {
        AttentionSettings settings = m_model.settings();
        settings.algorithm = id == QLatin1String("standard") ? AttentionAlgorithm::Standard
                             : id == QLatin1String("flash1") ? AttentionAlgorithm::Flash1
                                                             : AttentionAlgorithm::Flash2;
        m_model.change(settings);
    });
    connect(&model, &AttentionModel::settingsChanged, this, &AttentionBar::showSettings);
    connect(&model, &AttentionModel::traceChanged, this, &AttentionBar::showStep);
    connect(&model, &AttentionModel::stepChanged, this, &AttentionBar::showStep);
    connect(&model, &AttentionModel::playingChanged, this, &AttentionBar::showStep);
    showSettings();
    showStep();
}

void AttentionBar::showSettings() {
    const AttentionSettings& settings = m_model.settings();
    m_algorithm->setCurrent(idOf(settings.algorithm));
    m_title->setText(settings.algorithm == AttentionAlgorithm::Standard ? tr("Attention, standard")
                                                                        : tr("Attention, tiled"));
    const AttentionSize size = settings.played();
    m_facts->setText(tr("N %1 · d %2 · on-chip memory %3 elements")
                         .arg(size.tokens)
                         .arg(size.dim)
                         .arg(formatCount(size.memory)) +
                     (settings.causal ? tr(" · causal") : QString()));
    foldAll();
}

QString AttentionBar::facts() const {
    return m_algorithm->button(m_algorithm->current())->text() + QStringLiteral(" · ") +
           m_facts->text();
}

QString AttentionBar::position() const {
    return m_player->position();
}

QSlider* AttentionBar::slider() const {
    return m_player->slider();
}

void AttentionBar::showStep() {
    const bool standard =
        m_model.trace() && m_model.trace()->algorithm == AttentionAlgorithm::Standard;
    m_player->show({.count = m_model.stepCount(),
                    .at = m_model.stepIndex(),
                    .playing = m_model.isPlaying(),
                    .speed = m_model.speed(),
                    .text = standard ? tr("step %1 of %2") : tr("tile %1 of %2")});
    foldAll();
}

/// The least telling goes first.
void AttentionBar::foldAll() {
    fold({{m_title, true}, {m_player->speed(), true}, {m_facts, true}});
}

void AttentionBar::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    foldAll();
}

void AttentionBar::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        setFixedHeight(Theme::px(40));
        foldAll();
    }
}

}  // namespace loupe::app
