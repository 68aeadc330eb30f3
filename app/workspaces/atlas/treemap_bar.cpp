// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/treemap_bar.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/describe.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/units.hpp"

#include <QPainter>

#include <algorithm>

namespace loupe::app {

namespace {

TreemapGroup groupOf(const QString& id) {
    return id == QLatin1String("layer")  ? TreemapGroup::Layer
           : id == QLatin1String("none") ? TreemapGroup::None
                                         : TreemapGroup::Role;
}

}  // namespace

// --- types

TypeKey::TypeKey(const TreemapPicture& picture, QWidget* parent)
    : QWidget(parent), m_picture(picture) {
    setAccessibleName(tr("Colours of the types"));
}

void TypeKey::refresh() {
    QStringList words;
    for (const StoredType& type : m_picture.types()) {
        words << tr("%1: %2 in %3 tensors")
                     .arg(type.name,
                          QString::fromStdString(decimalBytes(static_cast<double>(type.bytes))),
                          formatCount(type.tensors));
    }
    describeWidget(*this, words.join(QStringLiteral("; ")));
    setToolTip(words.join(QLatin1Char('\n')));
    updateGeometry();
    update();
}

QSize TypeKey::sizeHint() const {
    double width = Theme::px(80);
    for (const StoredType& type : m_picture.types()) {
        width = std::max(width, textWidth(type.name, TextRole::Small));
    }
    return {static_cast<int>(std::min<double>(width, Theme::px(160))) + Theme::px(36),
            Theme::px(200)};
}

QSize TypeKey::minimumSizeHint() const {
    return {Theme::px(90), Theme::px(60)};
}

void TypeKey::paintKey(QPainter& painter, const QRectF& target) const {
    const Theme& theme = Theme::current();
    const double line = lineHeight(TextRole::Small);
    double top = target.top() + Theme::px(4);
    const QFontMetricsF metrics(Theme::font(TextRole::Small));
    for (std::size_t i = 0; i < m_picture.types().size() && top + 2 * line <= target.bottom();
         ++i) {
        const StoredType& type = m_picture.types()[i];
        const QRectF swatch(target.left() + Theme::px(6), top + 3, Theme::px(14), line - 6);
        painter.fillRect(swatch, TreemapPicture::typeColor(i));
        painter.setPen(QPen(theme.border, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(swatch);
        const QRectF text(swatch.right() + Theme::px(6),
                          top,
                          target.right() - swatch.right() - Theme::px(8),
                          line);
        drawTextLine(painter,
                     text,
                     Qt::AlignLeft | Qt::AlignVCenter,
                     metrics.elidedText(type.name, Qt::ElideRight, text.width()),
                     TextRole::Small,
                     theme.text);
        drawTextLine(painter,
                     text.translated(0, line),
                     Qt::AlignLeft | Qt::AlignVCenter,
                     QString::fromStdString(decimalBytes(static_cast<double>(type.bytes))),
                     TextRole::NumberAxis,
                     theme.text2);
        top += 2 * line + Theme::px(4);
    }
}

void TypeKey::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    paintKey(painter, QRectF(rect()));
}

// --- bar

TreemapBar::TreemapBar(TreemapPicture& picture, QWidget* parent)
    : FlowBox(parent), m_picture(picture) {
    setAccessibleName(tr("What the rectangles show"));
    const auto added = [&](const QString& name, const std::vector<SegmentedControl::Option>& all) {
        auto* made = new SegmentedControl(this);
        made->setCompact(true);
        made->setAccessibleName(name);
        made->setOptions(all);
        made->setCurrent(all.front().id);
        FlowBox::add(made);
        connect(made, &SegmentedControl::chosen, this, &TreemapBar::choose);
        return made;
    };
    m_size = added(tr("What an area stands for"),
                 {{QStringLiteral("bytes"), tr("Bytes"), tr("An area is bytes in the file")},
                  {QStringLiteral("parameters"),
                   tr("Parameters"),
                   tr("An area is a number of weights")}});
    m_group = added(
        tr("How tensors are grouped"),
        {{QStringLiteral("role"), tr("By role"), tr("The same role of all layers together")},
         {QStringLiteral("layer"), tr("By layer"), tr("All tensors of a layer together")},
         {QStringLiteral("none"), tr("Tensors"), tr("No groups: each tensor by itself")}});
    m_colors = added(tr("What a colour means"),
                   {{QStringLiteral("metric"),
                     tr("Metric colours"),
                     tr("The metric on the left, in the colours of layers × roles")},
                    {QStringLiteral("type"),
                     tr("Type colours"),
                     tr("The type that the weights are stored in")}});
}

void TreemapBar::choose() {
    m_picture.choose(groupOf(m_group->current()),
                     m_size->current() == QLatin1String("parameters") ? TreemapSize::Parameters
                                                                      : TreemapSize::Bytes);
    m_picture.setByType(m_colors->current() == QLatin1String("type"));
    emit changed();
}

QJsonObject TreemapBar::save() const {
    return {{QStringLiteral("group"), m_group->current()},
            {QStringLiteral("size"), m_size->current()},
            {QStringLiteral("colors"), m_colors->current()}};
}

void TreemapBar::restore(const QJsonObject& state) {
    m_group->setCurrent(state[QStringLiteral("group")].toString(QStringLiteral("role")));
    m_size->setCurrent(state[QStringLiteral("size")].toString(QStringLiteral("bytes")));
    m_colors->setCurrent(state[QStringLiteral("colors")].toString(QStringLiteral("metric")));
    choose();
}

}  // namespace loupe::app
