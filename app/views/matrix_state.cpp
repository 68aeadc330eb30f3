// SPDX-License-Identifier: GPL-3.0-or-later
// What the matrix view saves, copies and exports.
#include <QJsonArray>

#include "app/document/cursor.hpp"
#include "app/views/matrix_view.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

template <class T>
void chooseFrom(const QJsonObject& state, const char* key, QActionGroup* group, T fallback) {
    const QJsonValue value = state.value(QLatin1String(key));
    MatrixActions::choose(group, value.isDouble() ? value.toInt() : static_cast<int>(fallback));
}

}  // namespace

QJsonObject MatrixView::save() const {
    QJsonObject state;
    state["quantity"] = MatrixActions::chosen<int>(m_actions->quantity);
    state["side"] = MatrixActions::chosen<int>(m_actions->side);
    state["signed"] = MatrixActions::chosen<int>(m_actions->map);
    state["palette"] = MatrixActions::chosen<int>(m_actions->palette);
    state["aspect"] = MatrixActions::chosen<int>(m_actions->aspect);
    state["pooling"] = MatrixActions::chosen<int>(m_actions->pooling);
    state["cell_text"] = MatrixActions::chosen<int>(m_actions->cellText);
    state["compare"] = m_actions->compare->isChecked();
    state["link"] = m_actions->link->isChecked();
    state["lock"] = m_actions->lock->isChecked();
    QJsonArray ranges;
    for (const PictureRange& range : m_ranges) {
        ranges.append(range.set ? QJsonValue(toJson(range)) : QJsonValue(QJsonObject()));
    }
    state["ranges"] = ranges;
    const Heatmap& picture = m_main->heatmap();
    if (picture.plane()) {
        const PictureTransform& at = picture.transform();
        state["view"] = QJsonObject{{"fit", picture.atFit()},
                                    {"left", at.left},
                                    {"top", at.top},
                                    {"scale_x", at.scaleX},
                                    {"scale_y", at.scaleY},
                                    {"width", picture.pictureRect().width()},
                                    {"height", picture.pictureRect().height()}};
    } else if (!m_wantedView.isEmpty()) {
        state["view"] = m_wantedView;
    }
    return state;
}

void MatrixView::restore(const QJsonObject& state) {
    chooseFrom(state, "side", m_actions->side, Side::A);
    updateAvailability();
    chooseFrom(state, "quantity", m_actions->quantity, Quantity::Original);
    chooseFrom(state, "signed", m_actions->map, 0);
    chooseFrom(state, "palette", m_actions->palette, ColorMapId::Viridis);
    chooseFrom(state, "aspect", m_actions->aspect, Aspect::Fill);
    chooseFrom(state, "pooling", m_actions->pooling, Pooling::AbsMax);
    chooseFrom(state, "cell_text", m_actions->cellText, CellTextMode::Value);
    m_actions->compare->setChecked(state["compare"].toBool());
    m_actions->link->setChecked(state["link"].toBool(true));
    m_actions->lock->setChecked(state["lock"].toBool());
    const QJsonArray ranges = state["ranges"].toArray();
    for (std::size_t i = 0; i < m_ranges.size(); ++i) {
        m_ranges[i] = rangeFromJson(ranges.at(static_cast<qsizetype>(i)).toObject());
    }
    m_opened = state.contains("signed") && m_main->heatmap().plane() != nullptr;
    m_wantedView = state["view"].toObject();
    const auto aspect = MatrixActions::chosen<Aspect>(m_actions->aspect);
    for (MatrixPane* pane : {m_main, m_reference}) {
        pane->heatmap().setPooling(MatrixActions::chosen<Pooling>(m_actions->pooling));
        pane->heatmap().setAspect(aspect);
        if (m_wantedView.isEmpty()) {
            pane->heatmap().fit();
        }
    }
    updatePanes();
}

/// A zoom is kept in cells; another size of the picture shows the same cells as far as it can.
void MatrixView::applyWantedView() {
    Heatmap& picture = m_main->heatmap();
    if (m_wantedView.isEmpty() || !picture.plane()) {
        return;
    }
    const QJsonObject wanted = std::exchange(m_wantedView, {});
    if (wanted["fit"].toBool(true)) {
        picture.setTransform(fitTransform(picture.shape(), picture.pictureRect().size(), picture.aspect(), picture.devicePixelRatioF()));
        return;
    }
    PictureTransform at{wanted["left"].toDouble(), wanted["top"].toDouble(), wanted["scale_x"].toDouble(1), wanted["scale_y"].toDouble(1)};
    const double width = wanted["width"].toDouble();
    const double height = wanted["height"].toDouble();
    if (!(at.scaleX > 0) || !(at.scaleY > 0) || !(width > 0) || !(height > 0)) {
        return;
    }
    double x = picture.pictureRect().width() / width;
    double y = picture.pictureRect().height() / height;
    if (picture.aspect() != Aspect::Fill) {
        x = y = std::min(x, y);
    }
    at.scaleX *= x;
    at.scaleY *= y;
    picture.setTransform(at);
}

QString MatrixView::copyText() const {
    const MatrixPane& pane = *m_main;
    return matrixTsv(pane.heatmap(), quantityName(pane.quantity(), pane.side(), false), pane.heatmap().pooling());
}

QSizeF MatrixView::exportSize() const {
    const QSizeF one = m_main->size();
    return m_reference->isVisible() ? QSizeF(one.width() + m_reference->width(), one.height()) : one;
}

void MatrixView::paintExport(QPainter& painter, const QRectF& target) {
    if (!m_reference->isVisible()) {
        m_main->paintExport(painter, target);
        return;
    }
    const double half = target.width() / 2;
    m_reference->paintExport(painter, QRectF(target.left(), target.top(), half, target.height()));
    m_main->paintExport(painter, QRectF(target.left() + half, target.top(), half, target.height()));
}

}  // namespace loupe::app
