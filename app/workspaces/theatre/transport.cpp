// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/transport.hpp"

#include "app/widgets/controls.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/play_controls.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"
#include "core/io/synthetic.hpp"

#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
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

Transport::Transport(TheatreModel& model, QWidget* parent) : ContextRow(parent), m_model(model) {
    setObjectName(QStringLiteral("transport"));
    setAccessibleName(tr("Playing"));
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
        row()->addWidget(widget);
    }
    row()->addStretch(2);
    m_player = new PlayControls(*this, *row());
    connect(m_player, &PlayControls::moved, this, [this](int by) { m_model.step(by); });
    connect(m_player, &PlayControls::playToggled, this, [this](bool on) {
        m_model.setPlaying(on);
    });
    connect(m_player, &PlayControls::positionChosen, this, [this](qulonglong step) {
        m_model.setState(static_cast<std::size_t>(step));
    });
    connect(m_player, &PlayControls::speedChosen, this, [this](double speed) {
        m_model.setSpeed(speed);
    });
    addUses();
    connect(&model, &TheatreModel::choiceChanged, this, &Transport::showChoice);
    connect(&model, &TheatreModel::traceChanged, this, &Transport::showChoice);
    connect(&model, &TheatreModel::traceChanged, this, &Transport::showState);
    connect(&model, &TheatreModel::stateChanged, this, &Transport::showState);
    connect(&model, &TheatreModel::playingChanged, this, &Transport::showState);
    showChoice();
    showState();
}

/// What to do with the scheme that is played.
void Transport::addUses() {
    row()->addStretch(1);
    m_exact = new TruthMark(this);
    m_exact->setMark(TruthMark::Kind::Exact);
    m_exact->setToolTip(
        tr("Recorded from the scheme's own code: the last step is its result, bit for bit"));
    row()->addWidget(m_exact);
    m_useA = new QPushButton(tr("Use as A"), this);
    m_useA->setToolTip(tr("Use this scheme as scheme A in Inspect"));
    connect(m_useA, &QPushButton::clicked, this, &Transport::useAsA);
    m_useB = new QPushButton(tr("Use as B"), this);
    m_useB->setToolTip(tr("Use this scheme as scheme B in Inspect"));
    connect(m_useB, &QPushButton::clicked, this, &Transport::useAsB);
    for (QPushButton* each : {m_useA, m_useB}) {
        each->setProperty("loupeSmall", true);
        setTextRole(each, TextRole::Small);
        row()->addWidget(each);
    }
    m_more = PlayControls::addButton(
        *this, *row(), QStringLiteral("more"), tr("Use this scheme"), {});
    m_more->setPopupMode(QToolButton::InstantPopup);
    auto* menu = new QMenu(m_more);
    connect(menu->addAction(tr("Use as A")), &QAction::triggered, this, &Transport::useAsA);
    connect(menu->addAction(tr("Use as B")), &QAction::triggered, this, &Transport::useAsB);
    m_more->setMenu(menu);
    m_copy =
        PlayControls::addButton(*this, *row(), QStringLiteral("copy"), tr("Copy scheme"), {});
    connect(m_copy, &QToolButton::clicked, this, &Transport::copyScheme);
}

void Transport::setMethodShown(bool shown) {
    m_methodShown = shown;
    foldAll();
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
    foldAll();
}

QString Transport::position() const {
    return m_player->position();
}

QSlider* Transport::slider() const {
    return m_player->slider();
}

void Transport::showState() {
    m_player->show({.count = m_model.stateCount(),
                    .at = m_model.stateIndex(),
                    .playing = m_model.isPlaying(),
                    .speed = m_model.speed(),
                    .text = tr("%1 of %2")});
    for (QWidget* each : {static_cast<QWidget*>(m_useA),
                          static_cast<QWidget*>(m_useB),
                          static_cast<QWidget*>(m_more)}) {
        each->setEnabled(m_model.method() != nullptr);
    }
}

/// The least telling goes first.
void Transport::foldAll() {
    m_method->setVisible(m_methodShown);
    std::vector<const QWidget*> absent;
    if (!m_methodShown) {
        absent.push_back(m_method);
    }
    fold({{m_title, !m_methodShown},
          {m_player->speed(), true},
          {m_useA, true},
          {m_useB, true},
          {m_source, true},
          {m_subtitle, true},
          {m_activations, !m_activations->text().isEmpty()},
          {m_exact, m_model.trace() != nullptr}},
         absent);
    m_more->setVisible(m_useB->isHidden());
}

void Transport::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    foldAll();
}

void Transport::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        foldAll();
    }
}

}  // namespace loupe::app
