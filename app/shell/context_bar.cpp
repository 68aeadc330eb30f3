// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/context_bar.hpp"

#include "app/document/analyses.hpp"
#include "app/shell/actions.hpp"
#include "app/shell/chip.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/units.hpp"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QToolButton>

#include <algorithm>

namespace loupe::app {

namespace {

QToolButton* arrow(QAction* action, const QString& icon, QWidget* parent) {
    auto* button = new QToolButton(parent);
    action->setIcon(themedIcon(icon));
    button->setDefaultAction(action);
    button->setAutoRaise(true);
    button->setAccessibleName(action->text());
    button->setToolTip(QStringLiteral("%1 (%2)").arg(
        action->text(), action->shortcut().toString(QKeySequence::NativeText)));
    return button;
}

QString shapeText(const TensorInfo& tensor) {
    QStringList parts;
    for (const std::int64_t extent : tensor.shape) {
        parts << QString::number(extent);
    }
    return parts.isEmpty() ? ContextBar::tr("scalar") : parts.join(QStringLiteral(" × "));
}

void setChip(Chip* chip, const QString& text, const QString& tip = {}) {
    chip->setText(text);
    chip->setToolTip(tip);
    chip->setAccessibleName(text);
    chip->setVisible(!text.isEmpty());
    chip->updateGeometry();
}

}  // namespace

ContextBar::ContextBar(Document& document, Actions& actions, QWidget* parent)
    : QWidget(parent), m_document(document) {
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(Theme::px(8), 0, Theme::px(12), 0);
    layout->setSpacing(Theme::px(8));
    layout->addWidget(arrow(actions[ActionId::back], QStringLiteral("prev"), this));
    layout->addWidget(arrow(actions[ActionId::forward], QStringLiteral("next"), this));
    m_path = new QLabel(this);
    m_path->setTextFormat(Qt::RichText);
    m_path->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_path->setMinimumWidth(Theme::px(120));
    m_path->setAccessibleName(tr("Path of the tensor"));
    setTextRole(m_path, TextRole::Body);
    setTone(m_path, Tone::Secondary);
    m_shape = new Chip(Chip::Kind::Fact, this);
    m_dtype = new Chip(Chip::Kind::Fact, this);
    m_bytes = new Chip(Chip::Kind::Fact, this);
    m_offset = new Chip(Chip::Kind::Fact, this);
    m_activations = new Chip(Chip::Kind::Fact, this);
    m_removeActivations = new QToolButton(this);
    connect(m_removeActivations,
            &QToolButton::clicked,
            actions[ActionId::removeActivations],
            &QAction::trigger);
    m_removeActivations->setIcon(themedIcon(QStringLiteral("close")));
    m_removeActivations->setToolTip(tr("Remove activations"));
    m_removeActivations->setAutoRaise(true);
    m_removeActivations->setAccessibleName(tr("Remove activations"));
    m_edited = new Chip(Chip::Kind::Warning, this);
    m_outliers = new Chip(Chip::Kind::Outlier, this);
    m_exact = new Chip(Chip::Kind::Exact, this);
    for (QWidget* chip : {static_cast<QWidget*>(m_path),
                          static_cast<QWidget*>(m_shape),
                          static_cast<QWidget*>(m_dtype),
                          static_cast<QWidget*>(m_bytes),
                          static_cast<QWidget*>(m_offset),
                          static_cast<QWidget*>(m_activations),
                          static_cast<QWidget*>(m_removeActivations)}) {
        layout->addWidget(chip);
    }
    layout->addStretch(1);
    layout->addWidget(m_edited);
    layout->addWidget(m_outliers);
    layout->addWidget(m_exact);
    connect(&document, &Document::changed, this, &ContextBar::refresh);
    refresh(Change::All);
}

QSize ContextBar::sizeHint() const {
    return {Theme::px(400), Theme::px(40)};
}

void ContextBar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().panel);
    painter.setPen(Theme::current().line);
    painter.drawLine(0, height() - 1, width(), height() - 1);
}

void ContextBar::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    showTensor();
}

void ContextBar::refresh(Changes what) {
    if (what & (Changes(Change::Source) | Change::Tensor | Change::Inputs | Change::Display)) {
        showTensor();
    }
    showMarks();
}

void ContextBar::showTensor() {
    const TensorInfo* tensor = m_document.tensor();
    const bool narrow = width() / Theme::fontScale() < 1300;
    const QString source =
        m_document.source() ? QString::fromStdString(m_document.source()->info().title) : QString();
    setChip(m_shape,
            tensor ? shapeText(*tensor) : QString(),
            tensor != nullptr && tensor->transposed
                ? tr("Stored [in, out]; shown as [out, in]: %1 × %2")
                      .arg(tensor->rows)
                      .arg(tensor->cols)
                : QString());
    setChip(m_dtype, tensor ? QString::fromStdString(tensor->dtypeName) : QString());
    setChip(m_bytes,
            tensor && !narrow
                ? QString::fromStdString(decimalBytes(static_cast<double>(tensor->bytes)))
                : QString(),
            tensor ? tr("%1 bytes, %2 parameters")
                         .arg(formatCount(static_cast<qint64>(tensor->bytes)),
                              formatCount(static_cast<qint64>(tensor->parameters)))
                   : QString());
    setChip(m_offset,
            tensor && tensor->offset && !narrow
                ? tr("offset %1")
                      .arg(QStringLiteral("0x%1")
                               .arg(*tensor->offset, 8, 16, QLatin1Char('0'))
                               .toUpper()
                               .replace(0, 2, QStringLiteral("0x")))
                : QString(),
            tensor && tensor->offset ? tr("From the start of the file: %1 bytes")
                                           .arg(formatCount(static_cast<qint64>(*tensor->offset)))
                                     : QString());
    const LayerInput& given = m_document.analyses().activations();
    const QString activations = QString::fromStdString(given.reference);
    setChip(m_activations,
            activations.isEmpty() ? QString()
            : given.columnNorms   ? tr("importance matrix")
                                  : tr("activations"),
            given.own ? tr("%1, the source's own").arg(activations) : activations);
    m_removeActivations->setVisible(!activations.isEmpty());
    showPath();
}

void ContextBar::showPath() {
    const Theme& theme = Theme::current();
    QStringList parts;
    if (m_document.source()) {
        parts << QString::fromStdString(m_document.source()->info().title).toHtmlEscaped();
    } else if (m_document.opening()) {
        parts << tr("Opening %1…")
                     .arg(QFileInfo(QString::fromStdString(m_document.spec().source))
                              .fileName()
                              .toHtmlEscaped());
    }
    if (m_document.tensor() != nullptr) {
        // The last two words of the name are the object; what comes before are its modules.
        QStringList words =
            QString::fromStdString(m_document.tensor()->name).split(QLatin1Char('.'));
        QStringList object;
        while (!words.isEmpty() && object.size() < 3 && !words.last().front().isDigit()) {
            object.prepend(words.takeLast());
        }
        for (const QString& word : words) {
            parts << word.toHtmlEscaped();
        }
        const QString last =
            object.isEmpty() ? parts.takeLast() : object.join(QLatin1Char('.')).toHtmlEscaped();
        parts << QStringLiteral("<span style=\"color:%1;font-weight:600\">%2</span>")
                     .arg(theme.text.name(), last);
    }
    m_path->setText(
        parts.join(QStringLiteral("&nbsp;&nbsp;<span style=\"color:%1\">›</span>&nbsp;&nbsp;")
                       .arg(theme.text3.name())));
    m_path->setToolTip(m_document.tensor() != nullptr
                           ? QString::fromStdString(m_document.tensor()->name)
                           : QString());
    // As wide as its text where there is room.
    m_path->setMaximumWidth(std::max(Theme::px(120), m_path->sizeHint().width()));
    static_cast<QHBoxLayout*>(layout())->setStretchFactor(m_path, 1000);
    fold();
}

/// The path comes first: facts that have no room beside it are left out, the least telling ones
/// first.
void ContextBar::fold() {
    int needed = layout()->contentsMargins().left() + layout()->contentsMargins().right() +
                 m_path->sizeHint().width();
    for (const QWidget* child : findChildren<QWidget*>(QString(), Qt::FindDirectChildrenOnly)) {
        needed += child != m_path && !child->isHidden()
                      ? child->sizeHint().width() + layout()->spacing()
                      : 0;
    }
    for (Chip* chip : {m_offset, m_bytes, m_dtype}) {
        if (needed > width() && !chip->isHidden()) {
            needed -= chip->sizeHint().width() + layout()->spacing();
            chip->hide();
        }
    }
}

void ContextBar::showMarks() {
    const TensorInfo* tensor = m_document.tensor();
    const Lookup<TensorStats> stats =
        tensor ? m_document.analyses().stats() : Lookup<TensorStats>{};
    QString outliers;
    if (stats.value) {
        const double threshold = m_document.spec().outlierThreshold;
        const std::vector<OutlierChannel> channels =
            stats.value->outliers(true, static_cast<std::size_t>(stats.value->cols));
        const auto count = std::count_if(
            channels.begin(), channels.end(), [threshold](const OutlierChannel& channel) {
                return channel.ratio > threshold;
            });
        outliers = count == 0   ? QString()
                   : count == 1 ? tr("1 outlier channel")
                                : tr("%1 outlier channels").arg(count);
    }
    setChip(m_outliers,
            outliers,
            tr("Input channels whose largest weight exceeds %1 × the median channel's")
                .arg(m_document.spec().outlierThreshold));
    const QString count =
        stats.value ? formatCount(static_cast<qint64>(stats.value->count)) : QString();
    const bool narrow = width() / Theme::fontScale() < 1300;
    setChip(m_exact,
            stats.value ? (narrow ? tr("exact") : tr("exact · %1 of %1").arg(count)) : QString(),
            tr("Statistics and errors are computed over every one of the %1 weights").arg(count));
    const std::size_t edits =
        tensor == nullptr ? 0
                          : static_cast<std::size_t>(std::count_if(
                                m_document.spec().edits.begin(),
                                m_document.spec().edits.end(),
                                [&](const Edit& edit) { return edit.tensor == tensor->name; }));
    setChip(m_edited,
            edits == 0   ? QString()
            : edits == 1 ? tr("1 weight edited")
                         : tr("%1 weights edited").arg(edits),
            tr("Flipped bits are laid over the file; it is never written"));
    fold();
}

}  // namespace loupe::app
