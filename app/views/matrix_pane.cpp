// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/matrix_pane.hpp"

#include <QFontMetricsF>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

#include "app/widgets/describe.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

constexpr int kBins = 48;
constexpr int kSettleMs = 60;

QString titleOf(Quantity quantity, Side side) {
    const QString letter = side == Side::A ? "A" : "B";
    switch (quantity) {
        case Quantity::Original: return "Original";
        case Quantity::Scheme: return "Scheme " + letter;
        case Quantity::Error: return "Error of scheme " + letter;
        case Quantity::Codes: return "Codes of scheme " + letter;
        case Quantity::Difference: return "Which scheme is closer";
        case Quantity::SchemesDiffer: return "Scheme A − scheme B";
    }
    return {};
}

std::shared_ptr<const ChannelStrip> errorStrip(const std::vector<double>& mse, bool columns, Side side) {
    auto strip = std::make_shared<ChannelStrip>();
    const QString letter = side == Side::A ? " A" : " B";
    strip->title = columns ? "Input channel RMS error" + letter : QString("row\nRMSE");
    strip->valueName = "RMS error" + letter;
    strip->values.reserve(mse.size());
    for (const double value : mse) {
        strip->values.push_back(static_cast<float>(std::sqrt(value)));
    }
    scaleStrip(*strip);
    return strip;
}

}  // namespace

MatrixPane::MatrixPane(Document& document, QWidget* parent) : QWidget(parent), m_document(document) {
    m_title = new QLabel(this);
    m_title->setContentsMargins(Theme::px(12), Theme::px(2), 0, 0);
    m_title->hide();
    m_heatmap = new Heatmap(&document.jobs(), this);
    m_heatmap->setObjectName("picture");
    m_legend = new RangeLegend(this);
    m_legend->setObjectName("legend");
    auto* row = new QHBoxLayout;
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    row->addWidget(m_heatmap, 1);
    auto* side = new QVBoxLayout;
    side->setSpacing(Theme::px(2));
    side->addWidget(m_legend, 1);
    m_range = new QToolButton(this);
    m_range->setText("Range");
    m_range->setPopupMode(QToolButton::InstantPopup);
    m_range->setAutoRaise(true);
    m_range->setToolTip("Fit, symmetric, 99.9 %, reset, logarithmic, lock");
    m_range->setAccessibleName("Choices of the colour range");
    m_range->hide();
    side->addWidget(m_range, 0, Qt::AlignLeft);
    row->addLayout(side);
    row->addSpacing(Theme::px(8));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, Theme::px(4));
    column->setSpacing(0);
    column->addWidget(m_title);
    column->addLayout(row, 1);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_histogramTimer.setSingleShot(true);
    m_histogramTimer.setInterval(kSettleMs);
    connect(&m_histogramTimer, &QTimer::timeout, this, &MatrixPane::updateHistogram);
    connect(m_heatmap, &Heatmap::frameChanged, &m_histogramTimer, qOverload<>(&QTimer::start));
    updateTitle();
}

void MatrixPane::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        updateTitle();
    }
    QWidget::changeEvent(event);
}

void MatrixPane::setRangeMenu(QMenu* menu) {
    m_range->setMenu(menu);
    m_range->show();
}

void MatrixPane::updateTitle() {
    m_range->setFont(Theme::font(TextRole::Small));
    m_title->setFont(Theme::font(TextRole::Heading));
    m_title->setText(titleOf(m_quantity, m_side));
    m_heatmap->setAccessibleName("Matrix picture: " + titleOf(m_quantity, m_side));
}

std::optional<Error> MatrixPane::show(Quantity quantity, Side side) {
    if (quantity != m_quantity || side != m_side) {
        m_quantity = quantity;
        m_side = side;
        updateTitle();
    }
    const std::shared_ptr<const RowSource> weights = m_document.weights();
    m_current = false;
    if (!weights) {
        m_heatmap->setPlane(nullptr);
        m_heatmap->setPending(m_document.opening());
        const bool open = m_document.source() != nullptr;
        m_heatmap->setEmptyText(m_document.opening() ? "Opening…" : m_document.tensorError() ? "This tensor cannot be read" : open ? "No tensor selected" : "Nothing open",
                                m_document.tensorError() ? QString::fromStdString(m_document.tensorError()->message())
                                                         : QString("Its weights appear here, one value per pixel."));
        return m_document.tensorError();
    }
    const Lookup<PlaneData> plane = m_document.analyses().plane(quantity, side);
    m_current = plane.value != nullptr;
    std::shared_ptr<const PlaneData> shown = m_current ? plane.value : plane.stale;
    if (!shown && plane.pending && m_heatmap->shape() == MatrixShape{weights->rows(), weights->cols()}) {
        shown = m_heatmap->plane();  // the last picture stays, dimmed, while another quantity is computed
    }
    WindowFiller window;
    if (m_current && quantity == Quantity::Original) {
        window = makeWindowFiller(weights);
    }
    if (shown != m_heatmap->plane()) {
        m_heatmap->setPlane(shown, std::move(window));
    }
    m_heatmap->setPending(plane.pending, plane.fraction);
    if (weights->rows() == 0 || weights->cols() == 0) {
        m_heatmap->setEmptyText("This tensor is empty", QString("Its shape is %1 × %2: there is nothing to draw.").arg(weights->rows()).arg(weights->cols()));
        return plane.error;
    }
    m_heatmap->setEmptyText(plane.error ? "No picture" : "Reading…",
                            plane.error ? QString::fromStdString(plane.error->message()) : QString("The picture appears when the tensor has been read once."));
    return plane.error;
}

void MatrixPane::setSetting(const ColorSetting& setting, const QString& mode) {
    m_heatmap->setColor(setting);
    m_legend->setSetting(setting);
    LegendInfo info;
    info.quantity = quantityName(m_quantity, m_side, setting.magnitude);
    info.scale = setting.logarithmic ? "log" : "linear";
    info.mode = mode;
    if (const auto& plane = m_heatmap->plane()) {
        const Pyramid& pyramid = *plane->pyramid;
        info.least = setting.magnitude ? 0 : static_cast<double>(pyramid.min);
        info.most = setting.magnitude ? static_cast<double>(pyramid.absmax) : static_cast<double>(pyramid.max);
        info.nan = pyramid.nan;
        info.inf = pyramid.inf;
    }
    if (m_quantity == Quantity::Difference) {
        info.highText = "A closer";
        info.lowText = "B closer";
    }
    m_legend->setInfo(info);
    m_histogramTimer.start();
}

void MatrixPane::updateHistogram() {
    if (m_heatmap->frame().valid()) {
        m_legend->setHistogram(m_heatmap->frame().histogram(m_heatmap->color(), kBins));
    }
}

std::shared_ptr<const ChannelStrip> MatrixPane::weightStrip(const TensorStats& stats, bool columns) const {
    auto strip = std::make_shared<ChannelStrip>();
    const ChannelRanges& ranges = columns ? stats.colRanges : stats.rowRanges;
    const bool finite = stats.nan == 0 && stats.inf == 0;
    if (columns || !finite) {
        strip->values = ranges.absmax;
        strip->title = columns ? "Input channel max |w|" : "row\nmax |w|";
        strip->valueName = "max |w|";
    } else {
        strip->title = "row\nRMS";
        strip->valueName = "RMS";
        strip->values.reserve(ranges.sumSquares.size());
        for (const double sum : ranges.sumSquares) {
            strip->values.push_back(static_cast<float>(std::sqrt(sum / static_cast<double>(std::max<std::int64_t>(1, stats.cols)))));
        }
    }
    if (columns) {
        const double threshold = m_document.spec().outlierThreshold;
        for (const OutlierChannel& channel : stats.outliers(true, static_cast<std::size_t>(stats.cols))) {
            if (channel.ratio > threshold) {
                strip->outliers.push_back(channel.index);
            }
        }
        std::sort(strip->outliers.begin(), strip->outliers.end());
        const auto count = static_cast<qint64>(strip->outliers.size());
        if (count > 0) {
            strip->outlierText = QString("%1 outlier channel%2 (> %3 × median)").arg(formatCount(count), count == 1 ? "" : "s", QString::number(threshold));
        }
    }
    scaleStrip(*strip);
    return strip;
}

void MatrixPane::updateStrips() {
    if (!m_document.weights()) {
        m_stripOwner.reset();
        m_heatmap->setStrips(nullptr, nullptr);
        return;
    }
    const double threshold = m_document.spec().outlierThreshold;
    if (m_quantity == Quantity::Error) {
        const std::shared_ptr<const SchemeResult> result = m_document.analyses().scheme(m_side).value;
        if (!result || (m_stripOwner == result && m_stripQuantity == m_quantity)) {
            return;
        }
        m_stripOwner = result;
        m_stripQuantity = m_quantity;
        m_heatmap->setOutlierLevel(std::nullopt);
        m_heatmap->setStrips(errorStrip(result->colMse, true, m_side), errorStrip(result->rowMse, false, m_side));
        return;
    }
    const std::shared_ptr<const TensorStats> stats = m_document.analyses().stats().value;
    if (!stats || (m_stripOwner == stats && m_stripQuantity == m_quantity && m_stripThreshold == threshold)) {
        return;
    }
    m_stripOwner = stats;
    m_stripQuantity = m_quantity;
    m_stripThreshold = threshold;
    const bool weights = m_quantity == Quantity::Original || m_quantity == Quantity::Scheme;
    const double level = threshold * stats->medianChannelAbsmax(true);
    m_heatmap->setOutlierLevel(weights && level > 0 ? std::optional<double>(level) : std::nullopt);
    m_heatmap->setStrips(weightStrip(*stats, true), weightStrip(*stats, false));
}

void MatrixPane::paintExport(QPainter& painter, const QRectF& target) {
    const double legend = m_legend->sizeHint().width() + Theme::px(8);
    double top = target.top();
    if (!m_title->isHidden()) {
        painter.setFont(m_title->font());
        painter.setPen(Theme::current().text);
        const double line = QFontMetricsF(m_title->font()).height();
        painter.drawText(QRectF(target.left() + Theme::px(12), top, target.width() - Theme::px(12), line), Qt::AlignLeft, m_title->text());
        top += line + Theme::px(4);
    }
    m_heatmap->paintPicture(painter, QRectF(target.left(), top, target.width() - legend, target.bottom() - top));
    if (m_heatmap->plane()) {
        m_legend->paintLegend(painter, QRectF(target.right() - legend, top, legend - Theme::px(8), target.bottom() - top), false);
    }
}

void MatrixPane::announceSelection(const QString& sentence) {
    describeWidget(*m_heatmap, sentence);
}

}  // namespace loupe::app
