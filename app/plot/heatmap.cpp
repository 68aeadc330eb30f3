// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/heatmap.hpp"

#include <QFontMetricsF>

#include <algorithm>
#include <cmath>

#include "app/plot/heatmap_parts.hpp"
#include "app/plot/picture_axes.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

/// Reads expected to take longer than this go to a job.
constexpr double kSyncMs = 6;
/// A hover may read this long.
constexpr double kHoverMs = 3;
constexpr std::int64_t kMostCells = std::int64_t{16} << 20;

CellRange widened(const CellRange& range, const MatrixShape& shape) {
    const std::int64_t rows = range.rows / 2;
    const std::int64_t cols = range.cols / 2;
    CellRange wide;
    wide.firstRow = std::max<std::int64_t>(0, range.firstRow - rows);
    wide.rows = std::min(shape.rows, range.firstRow + range.rows + rows) - wide.firstRow;
    wide.firstCol = std::max<std::int64_t>(0, range.firstCol - cols);
    wide.cols = std::min(shape.cols, range.firstCol + range.cols + cols) - wide.firstCol;
    return wide.count() <= kMostCells ? wide : range;
}

}  // namespace

Heatmap::Heatmap(JobManager* jobs, QWidget* parent)
    : QWidget(parent), m_jobs(jobs), m_slot(QString("cells:%1").arg(reinterpret_cast<quintptr>(this), 0, 16)) {
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName("Matrix picture");
}

Heatmap::~Heatmap() {
    if (m_jobs != nullptr && m_reading) {
        m_jobs->cancel(m_slot);
    }
}

MatrixShape Heatmap::shape() const {
    return plane() ? MatrixShape{plane()->rows, plane()->cols} : MatrixShape{};
}

void Heatmap::setPlane(std::shared_ptr<const PlaneData> plane, WindowFiller window) {
    if (plane == m_frame.plane()) {
        return;
    }
    const MatrixShape before = shape();
    if (m_reading && m_jobs != nullptr) {
        m_jobs->cancel(m_slot);
    }
    m_reading.reset();
    m_failed = false;
    m_sampled = false;
    if (!plane || MatrixShape{plane->rows, plane->cols} != before) {
        m_frame = PictureFrame();
        m_hover.reset();
        m_hoverIsMine = false;
        m_fit = true;
    }
    m_frame.setPlane(std::move(plane), std::move(window));
    applyLayout();
    update();
}

void Heatmap::setPending(bool pending, double fraction) {
    if (pending != m_pending || fraction != m_fraction) {
        m_pending = pending;
        m_fraction = fraction;
        update();
    }
}

void Heatmap::setEmptyText(const QString& title, const QString& detail) {
    m_emptyTitle = title;
    m_emptyDetail = detail;
    update();
}

void Heatmap::invalidateColour() {
    m_coloured = false;
    update();
}

void Heatmap::setColor(const ColorSetting& setting) {
    if (setting != m_color) {
        m_color = setting;
        invalidateColour();
    }
}

void Heatmap::setPooling(Pooling pooling) {
    if (pooling != m_pooling) {
        m_pooling = pooling;
        m_failed = false;
        update();
    }
}

void Heatmap::setOutlierLevel(std::optional<double> level) {
    if (level != m_outlierLevel) {
        m_outlierLevel = level;
        invalidateColour();
    }
}

void Heatmap::setStrips(std::shared_ptr<const ChannelStrip> columns, std::shared_ptr<const ChannelStrip> rows) {
    m_columns = std::move(columns);
    m_rows = std::move(rows);
    applyLayout();
    update();
}

void Heatmap::setSelected(std::optional<Cell> cell) {
    if (cell != m_selected) {
        m_selected = cell;
        update();
    }
}

void Heatmap::setHover(std::optional<Cell> cell) {
    if (cell != m_hover) {
        m_hover = cell;
        m_hoverIsMine = m_hoverIsMine && cell.has_value();
        update();
    }
}

void Heatmap::setPins(std::vector<Pin> pins) {
    m_pins = std::move(pins);
    update();
}

void Heatmap::setEdited(std::vector<Cell> cells) {
    m_edited = std::move(cells);
    update();
}

void Heatmap::setBrushed(std::optional<std::pair<double, double>> range) {
    if (range != m_brushed) {
        m_brushed = range;
        invalidateColour();
    }
}

void Heatmap::setCellText(std::function<QString(Cell, float)> text) {
    m_cellText = std::move(text);
    update();
}

void Heatmap::setReadout(std::function<QStringList(Cell, float)> lines) {
    m_readout = std::move(lines);
    update();
}

void Heatmap::setGroups(std::function<std::pair<std::int64_t, std::int64_t>(Cell)> groups) {
    m_groups = std::move(groups);
    update();
}

void Heatmap::applyLayout() {
    m_picture = layoutParts(size()).picture;
    if (!shape().empty()) {
        const PictureTransform next = m_fit ? fitTransform(shape(), m_picture.size(), m_aspect, devicePixelRatioF())
                                            : clampTransform(m_transform, shape(), m_picture.size());
        moveTo(next, m_fit);
    }
}

void Heatmap::moveTo(const PictureTransform& transform, bool fit) {
    m_fit = fit;
    if (transform != m_transform) {
        m_transform = transform;
        update();
        emit transformChanged();
    }
}

void Heatmap::setTransform(const PictureTransform& transform) {
    const PictureTransform clamped = clampTransform(transform, shape(), m_picture.size());
    moveTo(clamped, clamped == fitTransform(shape(), m_picture.size(), m_aspect, devicePixelRatioF()));
}

void Heatmap::setAspect(Aspect aspect) {
    m_aspect = aspect;
    const PictureTransform whole = fitTransform(shape(), m_picture.size(), aspect, devicePixelRatioF());
    if (m_fit || aspect == Aspect::OneToOne || shape().empty()) {
        moveTo(whole, true);
    } else {
        // Keep the place: what was in the middle stays there, at the new proportions.
        const QPointF middle(m_picture.width() / 2, m_picture.height() / 2);
        PictureTransform next = m_transform;
        next.scaleY = aspect == Aspect::Square ? next.scaleX : next.scaleX * whole.scaleY / whole.scaleX;
        next.top = m_transform.row(middle.y()) - middle.y() / next.scaleY;
        moveTo(clampTransform(next, shape(), m_picture.size()), false);
    }
    update();
}

void Heatmap::fit() {
    if (m_aspect == Aspect::OneToOne) {
        m_aspect = Aspect::Square;
    }
    moveTo(fitTransform(shape(), m_picture.size(), m_aspect, devicePixelRatioF()), true);
}

void Heatmap::oneToOne() {
    const double scale = 1 / devicePixelRatioF();
    const QPointF middle(m_picture.width() / 2, m_picture.height() / 2);
    PictureTransform next{0, 0, scale, scale};
    next.left = std::round(m_transform.col(middle.x()) - middle.x() / scale);
    next.top = std::round(m_transform.row(middle.y()) - middle.y() / scale);
    m_aspect = Aspect::OneToOne;
    moveTo(clampTransform(next, shape(), m_picture.size()), false);
}

void Heatmap::zoomBy(double factor, std::optional<QPointF> point) {
    const QPointF at = point.value_or(QPointF(m_picture.width() / 2, m_picture.height() / 2));
    const PictureTransform next = zoomTransform(m_transform, at, factor, shape(), m_picture.size());
    if (m_aspect == Aspect::OneToOne && next.scaleX != m_transform.scaleX) {
        m_aspect = Aspect::Square;
    }
    // Zoomed out as far as it goes is the fit itself, whatever the rounding on the way.
    const PictureTransform whole = fitTransform(shape(), m_picture.size(), m_aspect, devicePixelRatioF());
    const bool atFit = std::fabs(next.scaleX / whole.scaleX - 1) < 1e-9 && std::fabs(next.scaleY / whole.scaleY - 1) < 1e-9;
    moveTo(atFit ? whole : next, atFit);
}

void Heatmap::reveal(Cell cell) {
    if (shape().empty()) {
        return;
    }
    PictureTransform next = m_transform;
    constexpr double kReadable = 16;
    const double growth = kReadable / std::min(next.scaleX, next.scaleY);
    if (growth > 1) {
        next.scaleX *= growth;
        next.scaleY *= growth;
        if (m_aspect == Aspect::OneToOne) {
            m_aspect = Aspect::Square;
        }
    } else if (visibleCells().contains(cell)) {
        return;
    }
    next.left = static_cast<double>(cell.col) + 0.5 - m_picture.width() / next.scaleX / 2;
    next.top = static_cast<double>(cell.row) + 0.5 - m_picture.height() / next.scaleY / 2;
    moveTo(clampTransform(next, shape(), m_picture.size()), false);
}

CellRange Heatmap::visibleCells() const {
    return m_transform.visible(shape(), m_picture.size());
}

FrameRequest Heatmap::wantedFrame(QSizeF picture, double ratio) const {
    const auto pixels = [ratio](double length) { return std::max(1, static_cast<int>(std::lround(length * ratio))); };
    return {m_transform, QSize(pixels(picture.width()), pixels(picture.height())), ratio, m_pooling};
}

FrameMarks Heatmap::marks() const {
    FrameMarks marks;
    marks.brushed = m_brushed;
    marks.outlierLevel = m_frame.pooled() ? m_outlierLevel : std::nullopt;
    marks.canvas = Theme::current().canvas.rgb();
    return marks;
}

bool Heatmap::updateFrame() {
    if (!plane() || m_picture.width() < 1 || m_picture.height() < 1 || m_failed) {
        return true;
    }
    const double ratio = m_frame.valid() && m_sampled ? m_frame.request().ratio : devicePixelRatioF();
    const FrameRequest request = wantedFrame(m_picture.size(), ratio);
    if (!m_sampled || m_frame.request() != request) {
        if (readMissing(request)) {
            if (!m_coloured) {
                m_frame.colour(m_color, marks());
                m_coloured = true;
            }
            return false;
        }
        if (m_failed) {
            return true;
        }
        if (const Result<void> sampled = m_frame.sample(request); !sampled) {
            m_failed = true;
            emit readFailed(QString::fromStdString(sampled.error().message()));
            return true;
        }
        m_sampled = true;
        m_coloured = false;
        QMetaObject::invokeMethod(this, &Heatmap::settle, Qt::QueuedConnection);
    }
    if (!m_coloured) {
        m_frame.colour(m_color, marks());
        m_coloured = true;
    }
    return true;
}

/// Makes sure that the cells of the frame are there; true while a job reads them.
bool Heatmap::readMissing(const FrameRequest& request) {
    if (m_frame.needsMinLevels(request) && m_jobs != nullptr) {
        makeMinLevels(request);
        return true;
    }
    const std::optional<CellRange> range = m_frame.missing(request);
    if (!range) {
        return false;
    }
    if (m_reading && m_reading->contains(*range)) {
        return true;
    }
    if (m_jobs != nullptr && m_frame.estimate(*range) > kSyncMs) {
        readInJob(widened(*range, shape()));
        return true;
    }
    const CellRange wide = widened(*range, shape());
    const CellRange wanted = m_frame.estimate(wide) < kSyncMs / 2 ? wide : *range;
    QElapsedTimer timer;
    timer.start();
    const Result<std::shared_ptr<const CellBlock>> block = readCells(*plane(), m_frame.window(), wanted);
    if (!block) {
        m_failed = true;
        emit readFailed(QString::fromStdString(block.error().message()));
        return false;
    }
    m_frame.adopt(*block, 1e-6 * static_cast<double>(timer.nsecsElapsed()));
    return false;
}

void Heatmap::readInJob(const CellRange& range) {
    m_reading = range;
    struct Done {
        Result<std::shared_ptr<const CellBlock>> block = nullptr;
        double milliseconds = 0;
    };
    auto work = [plane = plane(), window = m_frame.window(), range](const JobContext& ctx) {
        QElapsedTimer timer;
        timer.start();
        Done done{readCells(*plane, window, range, ctx), 0};
        done.milliseconds = 1e-6 * static_cast<double>(timer.nsecsElapsed());
        return done;
    };
    m_jobs->start(m_slot, "Reading cells", work, this, [this, plane = plane()](Done done) {
        m_reading.reset();
        if (plane != this->plane()) {
            return;
        }
        if (!done.block) {
            m_failed = true;
            emit readFailed(QString::fromStdString(done.block.error().message()));
        } else {
            m_frame.adopt(std::move(*done.block), done.milliseconds);
        }
        update();
    });
}

void Heatmap::makeMinLevels(const FrameRequest& request) {
    if (m_reading) {
        return;
    }
    m_reading = CellRange{};
    auto work = [plane = plane(), request](const JobContext& ctx) {
        Viewport corner;
        corner.cellsPerPixelX = std::max(2.0, 1 / (request.transform.scaleX * request.ratio));
        corner.cellsPerPixelY = std::max(2.0, 1 / (request.transform.scaleY * request.ratio));
        corner.width = corner.height = 1;
        return sampleViewport(*plane->pyramid, plane->fill, corner, Pooling::Min, ctx).has_value();
    };
    m_jobs->start(m_slot, "Smallest values", work, this, [this](bool) {
        m_reading.reset();
        update();
    });
}

std::optional<float> Heatmap::valueAt(Cell cell) const {
    const MatrixShape all = shape();
    if (!CellRange{0, all.rows, 0, all.cols}.contains(cell)) {
        return std::nullopt;
    }
    if (m_frame.cells() && m_frame.cells()->range.contains(cell)) {
        return m_frame.cells()->at(cell);
    }
    const CellRange one{cell.row, 1, cell.col, 1};
    if (m_frame.estimate(one) > kHoverMs) {
        return std::nullopt;
    }
    const Result<std::shared_ptr<const CellBlock>> block = readCells(*plane(), m_frame.window(), one);
    return block ? std::optional<float>((*block)->values.front()) : std::nullopt;
}

std::optional<Cell> Heatmap::cellFor(QPointF position) const {
    const MatrixShape all = shape();
    if (all.empty() || !m_picture.contains(position)) {
        return std::nullopt;
    }
    const Cell under = m_transform.cellAt(position - m_picture.topLeft());
    if (!CellRange{0, all.rows, 0, all.cols}.contains(under)) {
        return std::nullopt;
    }
    const Texels& texels = m_frame.texels();
    const FrameRequest& shown = m_frame.request();
    if (!m_sampled || !m_frame.pooled() || m_pooling != Pooling::AbsMax || shown.transform != m_transform) {
        return under;
    }
    const QPointF pixel = (position - m_picture.topLeft()) * shown.ratio;
    const auto texel = [&](int x, int y) {
        return texels.values[static_cast<std::size_t>(y) * static_cast<std::size_t>(texels.width) + static_cast<std::size_t>(x)];
    };
    const int px = std::clamp(static_cast<int>(pixel.x()), 0, texels.width - 1);
    const int py = std::clamp(static_cast<int>(pixel.y()), 0, texels.height - 1);
    // A widened mark stands for the pixel that it came from.
    int bestX = px;
    int bestY = py;
    const int reach = m_outlierLevel ? static_cast<int>(std::ceil(shown.ratio)) : 0;
    for (int y = std::max(0, py - reach); y <= std::min(texels.height - 1, py + reach); ++y) {
        for (int x = std::max(0, px - reach); x <= std::min(texels.width - 1, px + reach); ++x) {
            const float size = std::fabs(texel(x, y));
            if (static_cast<double>(size) > m_outlierLevel.value_or(0) && size > std::fabs(texel(bestX, bestY))) {
                bestX = x;
                bestY = y;
            }
        }
    }
    return cellOfTexel(bestX, bestY, under);
}

/// The cell with the value of a pooled pixel, the nearest to `under` where there are several; `under` if it cannot be told quickly.
Cell Heatmap::cellOfTexel(int x, int y, Cell under) const {
    const MatrixShape all = shape();
    const Texels& texels = m_frame.texels();
    // Levels pool aligned blocks, so that the cell may lie a little beside the pixel's own cells.
    const double stepX = 1 / (m_transform.scaleX * m_frame.request().ratio);
    const double stepY = 1 / (m_transform.scaleY * m_frame.request().ratio);
    CellRange range;
    range.firstCol = std::clamp<std::int64_t>(static_cast<std::int64_t>(m_transform.left + x * stepX) - texels.cellsX, 0, all.cols - 1);
    range.cols = std::min(all.cols, static_cast<std::int64_t>(m_transform.left + (x + 1) * stepX) + texels.cellsX + 1) - range.firstCol;
    range.firstRow = std::clamp<std::int64_t>(static_cast<std::int64_t>(m_transform.top + y * stepY) - texels.cellsY, 0, all.rows - 1);
    range.rows = std::min(all.rows, static_cast<std::int64_t>(m_transform.top + (y + 1) * stepY) + texels.cellsY + 1) - range.firstRow;
    if (range.empty() || m_frame.estimate(range) > kHoverMs) {
        return under;
    }
    const Result<std::shared_ptr<const CellBlock>> block = readCells(*plane(), m_frame.window(), range);
    if (!block) {
        return under;
    }
    const float wanted = texels.values[static_cast<std::size_t>(y) * static_cast<std::size_t>(texels.width) + static_cast<std::size_t>(x)];
    std::optional<Cell> nearest;
    const auto distance = [&](Cell cell) { return std::abs(cell.row - under.row) + std::abs(cell.col - under.col); };
    for (std::int64_t r = 0; r < range.rows; ++r) {
        for (std::int64_t c = 0; c < range.cols; ++c) {
            const Cell cell{range.firstRow + r, range.firstCol + c};
            if ((*block)->at(cell) == wanted && (!nearest || distance(cell) < distance(*nearest))) {
                nearest = cell;
            }
        }
    }
    return nearest.value_or(under);
}

/// True if the pixel over the cell shows the cell's own value.
bool Heatmap::isLargest(Cell cell) const {
    const FrameRequest& shown = m_frame.request();
    const std::optional<float> value = valueAt(cell);
    if (!value || shown.transform != m_transform) {
        return false;
    }
    const QPointF at = m_transform.cellRect(cell).center() * shown.ratio;
    const Texels& texels = m_frame.texels();
    const auto near = [&](int dx, int dy) {
        const int x = static_cast<int>(std::floor(at.x())) + dx;
        const int y = static_cast<int>(std::floor(at.y())) + dy;
        return x >= 0 && y >= 0 && x < texels.width && y < texels.height
               && texels.values[static_cast<std::size_t>(y) * static_cast<std::size_t>(texels.width) + static_cast<std::size_t>(x)] == *value;
    };
    // Levels pool aligned blocks: the value may have gone to the neighbouring pixel.
    for (const int dy : {0, -1, 1}) {
        for (const int dx : {0, -1, 1}) {
            if (near(dx, dy)) {
                return true;
            }
        }
    }
    return false;
}

/// After another frame: the pointer stands on another pixel although it did not move.
void Heatmap::settle() {
    if (m_hoverIsMine && m_drag == Drag::None) {
        hoverAt(m_hoverPosition);
    }
    emit frameChanged();
}

QString Heatmap::poolingText() const {
    if (!m_frame.valid() || !m_frame.pooled()) {
        return {};
    }
    const Quantity quantity = plane()->quantity;
    const QString largest = quantity == Quantity::Original || quantity == Quantity::Scheme ? "max |w|"
                            : quantity == Quantity::Error                                  ? "max |error|"
                            : quantity == Quantity::Codes                                  ? "max |code|"
                                                                                           : "max |difference|";
    const QString what = m_pooling == Pooling::AbsMax ? largest : m_pooling == Pooling::Mean ? QString("mean") : QString("smallest");
    const Texels& texels = m_frame.texels();
    return QString("each pixel: %1 of %2 × %3 cells").arg(what, formatCount(texels.cellsX), formatCount(texels.cellsY));
}

}  // namespace loupe::app
