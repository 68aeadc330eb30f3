// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/attention/attention_bar.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/attention/attention_model.hpp"

#include <QAbstractButton>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSlider>
#include <QToolButton>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kAll = 1'000'000;

QString idOf(AttentionAlgorithm algorithm) {
    const std::string_view name = attentionName(algorithm);
    return QString::fromLatin1(name.data(), static_cast<qsizetype>(name.size()));
}

}  // namespace

AttentionBar::AttentionBar(AttentionModel& model, QWidget* parent)
    : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("attentionBar"));
    setAccessibleName(tr("Playing attention"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setFixedHeight(Theme::px(40));
    m_layout = new QHBoxLayout(this);
    m_layout->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    m_layout->setSpacing(Theme::px(6));
    m_title = new QLabel(this);
    setTextRole(m_title, TextRole::Heading);
    m_layout->addWidget(m_title);
    m_facts = new FactChip({}, this);
    m_layout->addWidget(m_facts);
    m_layout->addStretch(2);
    makeTransport();
    m_layout->addStretch(1);
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
    m_layout->addWidget(m_algorithm);
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

void AttentionBar::makeTransport() {
    m_backwards = {button(QStringLiteral("first"), tr("First step"), tr("Home"), -kAll),
                   button(QStringLiteral("step-back"), tr("Step back"), tr("Left"), -1)};
    m_play = new QPushButton(this);
    m_play->setObjectName(QStringLiteral("playAttention"));
    m_play->setProperty("loupePrimary", true);
    m_play->setFixedSize(Theme::px(52), Theme::px(28));
    m_layout->addWidget(m_play);
    m_forwards = {button(QStringLiteral("step-forward"), tr("Step forward"), tr("Right"), 1),
                  button(QStringLiteral("last"), tr("Last step"), tr("End"), kAll)};
    connect(
        m_play, &QPushButton::clicked, this, [this] { m_model.setPlaying(!m_model.isPlaying()); });
    m_slider = new QSlider(Qt::Horizontal, this);
    m_slider->setObjectName(QStringLiteral("attentionPosition"));
    m_slider->setAccessibleName(tr("Step"));
    m_slider->setMinimumWidth(Theme::px(60));
    m_slider->setMaximumWidth(Theme::px(240));
    m_slider->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_layout->addWidget(m_slider, 3);
    connect(m_slider, &QSlider::valueChanged, this, [this](int value) {
        if (m_slider->isSliderDown()) {
            m_model.setPlaying(false);
        }
        m_model.setStep(static_cast<std::size_t>(value));
    });
    m_count = new QLabel(this);
    setTextRole(m_count, TextRole::Number);
    m_layout->addWidget(m_count);
    m_speed = new SegmentedControl(this);
    m_speed->setAccessibleName(tr("Speed"));
    m_speed->setOptions({{QStringLiteral("0.5"), tr("0.5×"), tr("One step a second")},
                         {QStringLiteral("1"), tr("1×"), tr("Two steps a second")},
                         {QStringLiteral("4"), tr("4×"), tr("Eight steps a second")}});
    m_speed->setCompact(true);
    m_speed->setMaximumHeight(Theme::px(28));
    m_layout->addWidget(m_speed);
    connect(m_speed, &SegmentedControl::chosen, this, [this](const QString& id) {
        m_model.setSpeed(id.toDouble());
    });
}

QToolButton* AttentionBar::button(const QString& icon,
                                  const QString& name,
                                  const QString& keys,
                                  int by) {
    auto* made = new QToolButton(this);
    made->setIcon(themedIcon(icon));
    made->setAutoRaise(true);
    made->setMinimumWidth(Theme::px(28));
    made->setAccessibleName(name);
    made->setToolTip(QStringLiteral("%1 (%2)").arg(name, keys));
    m_layout->addWidget(made);
    connect(made, &QToolButton::clicked, this, [this, by] { m_model.move(by); });
    return made;
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
    fold();
}

QString AttentionBar::facts() const {
    return m_algorithm->button(m_algorithm->current())->text() + QStringLiteral(" · ") +
           m_facts->text();
}

QString AttentionBar::position() const {
    return m_count->text();
}

void AttentionBar::showStep() {
    const std::size_t count = m_model.stepCount();
    const std::size_t at = m_model.stepIndex();
    {
        const QSignalBlocker blocker(m_slider);
        m_slider->setRange(0, count > 0 ? static_cast<int>(count - 1) : 0);
        m_slider->setValue(static_cast<int>(at));
    }
    m_slider->setPageStep(std::max(1, static_cast<int>(count / 16)));
    m_slider->setEnabled(count > 1);
    const bool standard =
        m_model.trace() && m_model.trace()->algorithm == AttentionAlgorithm::Standard;
    const QString text = standard ? tr("step %1 of %2") : tr("tile %1 of %2");
    m_count->setText(count > 0 ? text.arg(at + 1).arg(count) : QString());
    m_count->setMinimumWidth(
        static_cast<int>(textWidth(text.arg(count).arg(count), TextRole::Number) + Theme::px(6)));
    for (QToolButton* each : m_backwards) {
        each->setEnabled(count > 0 && at > 0);
    }
    for (QToolButton* each : m_forwards) {
        each->setEnabled(at + 1 < count);
    }
    m_play->setEnabled(count > 1);
    const bool playing = m_model.isPlaying();
    m_play->setIcon(themedIcon(playing ? QStringLiteral("pause") : QStringLiteral("play")));
    m_play->setAccessibleName(playing ? tr("Pause") : tr("Play"));
    m_play->setToolTip(QStringLiteral("%1 (%2)").arg(m_play->accessibleName(), tr("Space")));
    m_speed->setCurrent(QString::number(m_model.speed()));
    fold();
}

/// What has no room beside the transport is left out, the least telling first.
void AttentionBar::fold() {
    const std::vector<QWidget*> order{m_title, m_speed, m_facts};
    int needed = m_layout->contentsMargins().left() + m_layout->contentsMargins().right();
    for (const QWidget* child : findChildren<QWidget*>(QString(), Qt::FindDirectChildrenOnly)) {
        if (std::find(order.begin(), order.end(), child) == order.end()) {
            needed += (child == m_slider ? Theme::px(100) : child->sizeHint().width()) +
                      m_layout->spacing();
        }
    }
    for (QWidget* widget : order) {
        const int more = widget->sizeHint().width() + m_layout->spacing();
        const bool fits = needed + more <= width();
        widget->setVisible(fits);
        needed += fits ? more : 0;
    }
}

QSize AttentionBar::sizeHint() const {
    return {Theme::px(600), Theme::px(40)};
}

QSize AttentionBar::minimumSizeHint() const {
    return {Theme::px(320), Theme::px(40)};
}

void AttentionBar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().panel);
    painter.setPen(Theme::current().line);
    painter.drawLine(0, height() - 1, width(), height() - 1);
}

void AttentionBar::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fold();
}

void AttentionBar::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        m_play->setFixedSize(Theme::px(52), Theme::px(28));
        setFixedHeight(Theme::px(40));
        fold();
    }
}

}  // namespace loupe::app
