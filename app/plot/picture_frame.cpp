// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/picture_frame.hpp"

#include <algorithm>
#include <cmath>

#include "app/plot/picture_marks.hpp"
#include "core/base/assert.hpp"

namespace loupe::app {

namespace {

constexpr std::int64_t kCellsPerRead = std::int64_t{1} << 16;
constexpr std::uint8_t kOutside = 0x80;
constexpr double kExactSlack = 1e-6;

Viewport viewportOf(const FrameRequest& request) {
    Viewport view;
    view.left = request.transform.left;
    view.top = request.transform.top;
    view.cellsPerPixelX = 1 / (request.transform.scaleX * request.ratio);
    view.cellsPerPixelY = 1 / (request.transform.scaleY * request.ratio);
    view.width = request.device.width();
    view.height = request.device.height();
    return view;
}

/// True where the picture is made from the cells themselves: no axis has more than a cell per pixel.
bool showsCells(const FrameRequest& request) {
    const Viewport view = viewportOf(request);
    return std::max(view.cellsPerPixelX, view.cellsPerPixelY) <= 1 + kExactSlack;
}

}  // namespace

Result<std::shared_ptr<const CellBlock>> readCells(const PlaneData& plane,
                                                   const WindowFiller& window,
                                                   const CellRange& range,
                                                   const JobContext& ctx) {
    auto block = std::make_shared<CellBlock>();
    block->range = range;
    block->values.resize(static_cast<std::size_t>(range.count()));
    const std::int64_t width = window ? range.cols : plane.cols;
    const std::int64_t rowsPerRead = std::clamp<std::int64_t>(kCellsPerRead / std::max<std::int64_t>(1, width), 1, range.rows);
    std::vector<float> rows;
    for (std::int64_t done = 0; done < range.rows; done += rowsPerRead) {
        ctx.checkpoint();
        const std::int64_t count = std::min(rowsPerRead, range.rows - done);
        float* out = block->values.data() + done * range.cols;
        if (window || range.cols == plane.cols) {
            const Result<void> filled = window ? window(range.firstRow + done, count, range.firstCol, range.cols, out)
                                               : plane.fill(range.firstRow + done, count, out);
            if (!filled) {
                return fail(filled.error());
            }
            continue;
        }
        rows.resize(static_cast<std::size_t>(count * plane.cols));
        if (const Result<void> filled = plane.fill(range.firstRow + done, count, rows.data()); !filled) {
            return fail(filled.error());
        }
        for (std::int64_t r = 0; r < count; ++r) {
            std::copy_n(rows.data() + r * plane.cols + range.firstCol, range.cols, out + r * range.cols);
        }
    }
    return std::shared_ptr<const CellBlock>(std::move(block));
}

void PictureFrame::setPlane(std::shared_ptr<const PlaneData> plane, WindowFiller window) {
    m_window = std::move(window);
    if (plane == m_plane) {
        return;
    }
    m_plane = std::move(plane);
    m_cells.reset();
    // Schemes are worked out cell by cell; the first read corrects the guess.
    m_nsPerCell = m_plane && m_plane->quantity == Quantity::Original ? 2 : 12;
}

std::optional<CellRange> PictureFrame::missing(const FrameRequest& request) const {
    if (!m_plane || !showsCells(request)) {
        return std::nullopt;
    }
    const QSizeF size(request.device.width() / request.ratio, request.device.height() / request.ratio);
    const CellRange range = request.transform.visible({m_plane->rows, m_plane->cols}, size);
    if (range.empty() || (m_cells && m_cells->range.contains(range))) {
        return std::nullopt;
    }
    return range;
}

double PictureFrame::estimate(const CellRange& range) const {
    const std::int64_t width = m_window ? range.cols : m_plane->cols;
    return 1e-6 * m_nsPerCell * static_cast<double>(range.rows * width);
}

void PictureFrame::adopt(std::shared_ptr<const CellBlock> block, double milliseconds) {
    const std::int64_t width = m_window ? block->range.cols : m_plane->cols;
    const double cells = static_cast<double>(block->range.rows * width);
    if (cells > 10000) {
        m_nsPerCell = 0.5 * m_nsPerCell + 0.5 * milliseconds * 1e6 / cells;
    }
    m_cells = std::move(block);
}

bool PictureFrame::needsMinLevels(const FrameRequest& request) const {
    if (!m_plane || request.pooling != Pooling::Min || showsCells(request)) {
        return false;
    }
    const std::unique_lock lock(m_plane->pyramid->min_->mutex, std::try_to_lock);
    return !lock.owns_lock() || m_plane->pyramid->min_->levels.empty();
}

Result<void> PictureFrame::sample(const FrameRequest& request) {
    const std::shared_ptr<const CellBlock> block = m_cells;
    const std::shared_ptr<const PlaneData> plane = m_plane;
    const WindowFiller& window = m_window;
    const WindowFiller fill = [&](std::int64_t firstRow, std::int64_t rows, std::int64_t firstCol, std::int64_t cols, float* out) -> Result<void> {
        const CellRange range{firstRow, rows, firstCol, cols};
        if (block && block->range.contains(range)) {
            for (std::int64_t r = 0; r < rows; ++r) {
                const std::int64_t at = (firstRow + r - block->range.firstRow) * block->range.cols + firstCol - block->range.firstCol;
                std::copy_n(block->values.data() + at, cols, out + r * cols);
            }
            return {};
        }
        const Result<std::shared_ptr<const CellBlock>> read = readCells(*plane, window, range);
        if (!read) {
            return fail(read.error());
        }
        std::copy((*read)->values.begin(), (*read)->values.end(), out);
        return {};
    };
    Result<Texels> texels = sampleViewport(*plane->pyramid, fill, viewportOf(request), request.pooling);
    if (!texels) {
        return fail(texels.error());
    }
    m_texels = std::move(*texels);
    m_request = request;
    return {};
}

void PictureFrame::colour(const ColorSetting& setting, const FrameMarks& marks) {
    if (!valid()) {
        m_image = {};
        return;
    }
    const QSize size(m_texels.width, m_texels.height);
    if (m_image.size() != size) {
        m_image = QImage(size, QImage::Format_RGB32);
    }
    LOUPE_ASSERT(m_image.bytesPerLine() == 4 * size.width(), "RGB32 lines are not padded");
    auto* pixels = reinterpret_cast<QRgb*>(m_image.bits());
    colorize(m_texels, setting.scale(marks.canvas), pixels);
    if (marks.brushed) {
        dimOutside(m_texels, *marks.brushed, marks.canvas, pixels);
    }
    const double cellPixels = std::min(m_request.transform.scaleX, m_request.transform.scaleY) * m_request.ratio;
    const int least = static_cast<int>(std::ceil(3 * m_request.ratio));
    if (cellPixels < least) {
        paintMarks(m_texels, {setting, marks.outlierLevel, least}, pixels);
    }
}

std::vector<std::uint32_t> PictureFrame::histogram(const ColorSetting& setting, int bins) const {
    std::vector<std::uint32_t> counts(static_cast<std::size_t>(bins), 0);
    // A shape for the eye: at most half a million pixels, evenly spread.
    const std::size_t step = std::max<std::size_t>(1, m_texels.values.size() / 500'000) | 1U;
    for (std::size_t i = 0; i < m_texels.values.size(); i += step) {
        const double at = (m_texels.flags[i] & kOutside) != 0 ? -1 : setting.position(static_cast<double>(m_texels.values[i]));
        if (at >= 0 && at <= 1) {
            ++counts[static_cast<std::size_t>(std::min(bins - 1, static_cast<int>(at * bins)))];
        }
    }
    return counts;
}

double PictureFrame::magnitudeQuantile(double q) const {
    std::vector<float> sizes;
    const std::size_t step = std::max<std::size_t>(1, m_texels.values.size() / 500'000) | 1U;
    for (std::size_t i = 0; i < m_texels.values.size(); i += step) {
        if ((m_texels.flags[i] & kOutside) == 0 && std::isfinite(m_texels.values[i])) {
            sizes.push_back(std::fabs(m_texels.values[i]));
        }
    }
    if (sizes.empty()) {
        return 0;
    }
    const auto rank = static_cast<std::ptrdiff_t>(q * static_cast<double>(sizes.size() - 1));
    std::nth_element(sizes.begin(), sizes.begin() + rank, sizes.end());
    return static_cast<double>(sizes[static_cast<std::size_t>(rank)]);
}

}  // namespace loupe::app
