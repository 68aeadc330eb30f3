// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/transport.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"
#include "core/io/synthetic.hpp"

#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPainter>
#include <QPushButton>
#include <QSlider>
#include <QToolButton>

namespace loupe::app {

namespace {

QString toQ(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

}  // namespace

QString sourceTitle(const QString& path) {
    const QString id = path.section(QLatin1Char(':'), 1).section(QLatin1Char('?'), 0, 0);
    if (id == QLatin1String("F1") || id == QLatin1String("M")) {
        return Transport::tr("fixture %1").arg(id);
    }
    if (id == QLatin1String("V") || id == QLatin1String("V256")) {
        return id == QLatin1String("V") ? Transport::tr("slide vector V")
                                        : Transport::tr("slide vector V with 256");
    }
    for (const Generator& generator : allGenerators()) {
        if (id == toQ(generator.id)) {
            return toQ(generator.title).section(QLatin1Char(','), 0, 0);
        }
    }
    return id;
}

Transport::Transport(TheatreModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("transport"));
    setAccessibleName(tr("Playing"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_layout = new QHBoxLayout(this);
    m_layout->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    m_layout->setSpacing(Theme::px(6));
    m_method = new QComboBox(this);
    m_method->setAccessibleName(tr("Method"));
    m_method->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    for (const Method& method : playableMethods()) {
        m_method->addItem(toQ(method.title), toQ(method.id));
        m_method->setItemData(m_method->count() - 1, toQ(method.question), Qt::ToolTipRole);
    }
    connect(m_method, &QComboBox::activated, this, [this](int index) {
        m_model.setMethod(m_method->itemData(index).toString());
    });
    m_title = new QLabel(this);
    setTextRole(m_title, TextRole::Heading);
    m_subtitle = new QLabel(this);
    setTextRole(m_subtitle, TextRole::Small);
    setTone(m_subtitle, Tone::Secondary);
    m_source = new FactChip({}, this);
    m_activations = new FactChip({}, this);
    for (QWidget* widget : {static_cast<QWidget*>(m_method),
                            static_cast<QWidget*>(m_title),
                            static_cast<QWidget*>(m_subtitle),
                            static_cast<QWidget*>(m_source),
                            static_cast<QWidget*>(m_activations)}) {
        m_layout->addWidget(widget);
    }
    m_layout->addStretch(2);
    m_backwards = {button(QStringLiteral("first"), tr("First step"), tr("Home")),
                   button(QStringLiteral("step-back"), tr("Step back"), tr("Left"))};
    m_play = new QPushButton(this);
    m_play->setObjectName(QStringLiteral("play"));
    m_play->setProperty("loupePrimary", true);
    m_play->setFixedSize(Theme::px(52), Theme::px(28));
    m_layout->addWidget(m_play);
    m_forwards = {button(QStringLiteral("step-forward"), tr("Step forward"), tr("Right")),
                  button(QStringLiteral("last"), tr("Last step"), tr("End"))};
    connect(m_backwards[0], &QToolButton::clicked, this, [this] { m_model.step(-1000000); });
    connect(m_backwards[1], &QToolButton::clicked, this, [this] { m_model.step(-1); });
    connect(
        m_play, &QToolButton::clicked, this, [this] { m_model.setPlaying(!m_model.isPlaying()); });
    connect(m_forwards[0], &QToolButton::clicked, this, [this] { m_model.step(1); });
    connect(m_forwards[1], &QToolButton::clicked, this, [this] { m_model.step(1000000); });
    m_slider = new QSlider(Qt::Horizontal, this);
    m_slider->setObjectName(QStringLiteral("position"));
    m_slider->setAccessibleName(tr("Step"));
    m_slider->setMinimumWidth(Theme::px(60));
    m_slider->setMaximumWidth(Theme::px(220));
    m_slider->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_layout->addWidget(m_slider, 3);
    connect(m_slider, &QSlider::valueChanged, this, [this](int value) {
        if (m_slider->isSliderDown()) {
            m_model.setPlaying(false);
        }
        m_model.setState(static_cast<std::size_t>(value));
    });
    m_count = new QLabel(this);
    setTextRole(m_count, TextRole::Number);
    m_count->setAlignment(Qt::AlignLeft | Qt::AlignVCenter);
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
    m_layout->addStretch(1);
    m_exact = new TruthMark(this);
    m_exact->setMark(TruthMark::Kind::Exact);
    m_exact->setToolTip(
        tr("Recorded from the scheme's own code: the last step is its result, bit for bit"));
    m_layout->addWidget(m_exact);
    m_useA = new QPushButton(tr("Use as A"), this);
    m_useA->setToolTip(tr("Use this scheme as scheme A in Inspect"));
    connect(m_useA, &QPushButton::clicked, this, &Transport::useAsA);
    m_useB = new QPushButton(tr("Use as B"), this);
    m_useB->setToolTip(tr("Use this scheme as scheme B in Inspect"));
    connect(m_useB, &QPushButton::clicked, this, &Transport::useAsB);
    for (QPushButton* each : {m_useA, m_useB}) {
        each->setProperty("loupeSmall", true);
        setTextRole(each, TextRole::Small);
        m_layout->addWidget(each);
    }
    m_more = button(QStringLiteral("more"), tr("Use this scheme"), {});
    m_more->setPopupMode(QToolButton::InstantPopup);
    auto* menu = new QMenu(m_more);
    connect(menu->addAction(tr("Use as A")), &QAction::triggered, this, &Transport::useAsA);
    connect(menu->addAction(tr("Use as B")), &QAction::triggered, this, &Transport::useAsB);
    m_more->setMenu(menu);
    m_copy = button(QStringLiteral("copy"), tr("Copy scheme"), {});
    connect(m_copy, &QToolButton::clicked, this, &Transport::copyScheme);
    connect(&model, &TheatreModel::choiceChanged, this, &Transport::showChoice);
    connect(&model, &TheatreModel::traceChanged, this, &Transport::showChoice);
    connect(&model, &TheatreModel::traceChanged, this, &Transport::showState);
    connect(&model, &TheatreModel::stateChanged, this, &Transport::showState);
    connect(&model, &TheatreModel::playingChanged, this, &Transport::showState);
    showChoice();
    showState();
}

QToolButton* Transport::button(const QString& icon, const QString& name, const QString& keys) {
    auto* made = new QToolButton(this);
    made->setIcon(themedIcon(icon));
    made->setAutoRaise(true);
    made->setMinimumWidth(Theme::px(28));
    made->setAccessibleName(name);
    made->setToolTip(keys.isEmpty() ? name : QStringLiteral("%1 (%2)").arg(name, keys));
    m_layout->addWidget(made);
    return made;
}

void Transport::setMethodShown(bool shown) {
    m_methodShown = shown;
    fold();
}

void Transport::showChoice() {
    const Method* method = m_model.method();
    if (method == nullptr) {
        return;
    }
    m_method->setCurrentIndex(m_method->findData(toQ(method->id)));
    m_title->setText(toQ(method->title));
    m_title->setToolTip(toQ(method->question));
    m_subtitle->setText(toQ(method->subtitle));
    const TraceState* state = m_model.state();
    QString size;
    if (m_model.trace() && m_model.trace()->result) {
        size = QStringLiteral(" · %1 × %2")
                   .arg(m_model.trace()->result->rows())
                   .arg(m_model.trace()->result->cols());
    } else if (state != nullptr && !state->panels.empty()) {
        size.clear();
    }
    const Slice& slice = m_model.slice();
    m_source->setText((m_model.playsTensor()
                           ? tr("rows %1, columns %2 on").arg(slice.row).arg(slice.col)
                           : sourceTitle(m_model.source())) +
                      size);
    const auto [tokens, in] = m_model.tokens();
    m_activations->setText(tokens > 0 ? tr("activations %1 × %2").arg(tokens).arg(in) : QString());
    fold();
}

QString Transport::position() const {
    return m_count->text();
}

void Transport::showState() {
    const std::size_t count = m_model.stateCount();
    const std::size_t at = m_model.stateIndex();
    {
        const QSignalBlocker blocker(m_slider);
        m_slider->setRange(0, count > 0 ? static_cast<int>(count - 1) : 0);
        m_slider->setValue(static_cast<int>(at));
    }
    m_slider->setPageStep(std::max(1, static_cast<int>(count / 10)));
    m_slider->setEnabled(count > 1);
    m_count->setText(count > 0 ? tr("%1 of %2").arg(at + 1).arg(count) : QString());
    m_count->setMinimumWidth(
        static_cast<int>(textWidth(tr("%1 of %1").arg(count), TextRole::Number) + Theme::px(6)));
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
    for (QWidget* each : {static_cast<QWidget*>(m_useA),
                          static_cast<QWidget*>(m_useB),
                          static_cast<QWidget*>(m_more)}) {
        each->setEnabled(m_model.method() != nullptr);
    }
}

/// What has no room beside the transport is left out, the least telling first.
void Transport::fold() {
    m_method->setVisible(m_methodShown);
    const std::vector<std::pair<QWidget*, bool>> order{
        {m_title, !m_methodShown},
        {m_speed, true},
        {m_useA, true},
        {m_useB, true},
        {m_source, true},
        {m_subtitle, true},
        {m_activations, !m_activations->text().isEmpty()},
        {m_exact, m_model.trace() != nullptr}};
    int needed = m_layout->contentsMargins().left() + m_layout->contentsMargins().right();
    for (const QWidget* child : findChildren<QWidget*>(QString(), Qt::FindDirectChildrenOnly)) {
        const bool optional = std::any_of(order.begin(), order.end(), [child](const auto& entry) {
            return entry.first == child;
        });
        if (!optional && (child != m_method || m_methodShown)) {
            needed += (child == m_slider ? Theme::px(120) : child->sizeHint().width()) +
                      m_layout->spacing();
        }
    }
    for (const auto& [widget, wanted] : order) {
        const int more = widget->sizeHint().width() + m_layout->spacing();
        const bool fits = wanted && needed + more <= width();
        widget->setVisible(fits);
        needed += fits ? more : 0;
    }
    m_more->setVisible(m_useB->isHidden());
}

QSize Transport::sizeHint() const {
    return {Theme::px(600), Theme::px(40)};
}

QSize Transport::minimumSizeHint() const {
    return {Theme::px(320), Theme::px(40)};
}

void Transport::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().panel);
    painter.setPen(Theme::current().line);
    painter.drawLine(0, height() - 1, width(), height() - 1);
}

void Transport::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fold();
}

void Transport::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        m_play->setFixedSize(Theme::px(52), Theme::px(28));
        fold();
    }
}

}  // namespace loupe::app
