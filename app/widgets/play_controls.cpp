// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/play_controls.hpp"

#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"

#include <QBoxLayout>
#include <QEvent>
#include <QFontMetricsF>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSlider>
#include <QToolButton>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr int kAll = 1'000'000;
constexpr std::size_t kPages = 16;

}  // namespace

PlayControls::PlayControls(QWidget& bar,
                           QBoxLayout& layout,
                           const std::pair<QString, QString>& names)
    : QObject(&bar) {
    m_backwards = {
        stepButton(bar, layout, QStringLiteral("first"), tr("First step"), tr("Home"), -kAll),
        stepButton(bar, layout, QStringLiteral("step-back"), tr("Step back"), tr("Left"), -1)};
    m_play = new QPushButton(&bar);
    m_play->setObjectName(names.first);
    m_play->setProperty("loupePrimary", true);
    m_play->installEventFilter(this);
    layout.addWidget(m_play);
    m_forwards = {
        stepButton(bar, layout, QStringLiteral("step-forward"), tr("Step forward"), tr("Right"), 1),
        stepButton(bar, layout, QStringLiteral("last"), tr("Last step"), tr("End"), kAll)};
    connect(m_play, &QPushButton::clicked, this, [this] { emit playToggled(!m_playing); });
    m_slider = new QSlider(Qt::Horizontal, &bar);
    m_slider->setObjectName(names.second);
    m_slider->setAccessibleName(tr("Step"));
    m_slider->setToolTip(tr("Step"));
    m_slider->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    layout.addWidget(m_slider, 3);
    connect(m_slider, &QSlider::valueChanged, this, [this](int value) {
        if (m_slider->isSliderDown()) {
            emit playToggled(false);
        }
        emit positionChosen(static_cast<qulonglong>(value));
    });
    m_count = new QLabel(&bar);
    setTextRole(m_count, TextRole::Number);
    layout.addWidget(m_count);
    m_speed = new SegmentedControl(&bar);
    m_speed->setAccessibleName(tr("Speed"));
    m_speed->setOptions({{QStringLiteral("0.5"), tr("0.5×"), tr("One step a second")},
                         {QStringLiteral("1"), tr("1×"), tr("Two steps a second")},
                         {QStringLiteral("4"), tr("4×"), tr("Eight steps a second")}});
    m_speed->setCompact(true);
    layout.addWidget(m_speed);
    connect(m_speed, &SegmentedControl::chosen, this, [this](const QString& id) {
        emit speedChosen(id.toDouble());
    });
    scale();
}

QToolButton* PlayControls::addButton(QWidget& bar,
                                     QBoxLayout& layout,
                                     const QString& icon,
                                     const QString& name,
                                     const QString& keys) {
    auto* made = new QToolButton(&bar);
    made->setIcon(themedIcon(icon));
    made->setAutoRaise(true);
    made->setMinimumWidth(Theme::px(28));
    made->setAccessibleName(name);
    made->setToolTip(keys.isEmpty() ? name : QStringLiteral("%1 (%2)").arg(name, keys));
    layout.addWidget(made);
    return made;
}

QToolButton* PlayControls::stepButton(QWidget& bar,
                                      QBoxLayout& layout,
                                      const QString& icon,
                                      const QString& name,
                                      const QString& keys,
                                      int by) {
    QToolButton* made = addButton(bar, layout, icon, name, keys);
    connect(made, &QToolButton::clicked, this, [this, by] { emit moved(by); });
    return made;
}

void PlayControls::scale() {
    m_play->setFixedSize(Theme::px(52), Theme::px(28));
    m_slider->setMinimumWidth(Theme::px(60));
    m_slider->setMaximumWidth(Theme::px(220));
    m_speed->setMaximumHeight(Theme::px(28));
}

bool PlayControls::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::FontChange && m_speed != nullptr) {
        scale();
    }
    return QObject::eventFilter(watched, event);
}

QString PlayControls::position() const {
    return m_count->text();
}

void PlayControls::show(const PlayState& state) {
    const auto [count, at] = std::pair(state.count, state.at);
    {
        const QSignalBlocker blocker(m_slider);
        m_slider->setRange(0, count > 0 ? static_cast<int>(count - 1) : 0);
        m_slider->setValue(static_cast<int>(at));
    }
    m_slider->setPageStep(static_cast<int>(std::max<std::size_t>(1, count / kPages)));
    m_slider->setEnabled(count > 1);
    m_count->setText(count > 0 ? state.text.arg(at + 1).arg(count) : QString());
    const QFontMetricsF metrics(Theme::font(TextRole::Number));
    m_count->setMinimumWidth(static_cast<int>(
        std::ceil(metrics.horizontalAdvance(state.text.arg(count).arg(count))) + Theme::px(6)));
    for (QToolButton* each : m_backwards) {
        each->setEnabled(count > 0 && at > 0);
    }
    for (QToolButton* each : m_forwards) {
        each->setEnabled(at + 1 < count);
    }
    m_playing = state.playing;
    m_play->setEnabled(count > 1);
    m_play->setIcon(themedIcon(m_playing ? QStringLiteral("pause") : QStringLiteral("play")));
    m_play->setAccessibleName(m_playing ? tr("Pause") : tr("Play"));
    m_play->setToolTip(QStringLiteral("%1 (%2)").arg(m_play->accessibleName(), tr("Space")));
    m_speed->setCurrent(QString::number(state.speed));
}

}  // namespace loupe::app
