// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QImage>
#include <QSize>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "app/document/analyses.hpp"
#include "app/plot/color_setting.hpp"
#include "app/plot/picture_transform.hpp"

namespace loupe::app {

/// Exact values of a window of cells. Immutable.
struct CellBlock {
    CellRange range;
    std::vector<float> values;
    [[nodiscard]] float at(Cell cell) const {
        return values[static_cast<std::size_t>((cell.row - range.firstRow) * range.cols + cell.col - range.firstCol)];
    }
};

/// Reads a window of cells; whole rows where the plane only knows rows. Thread-safe.
[[nodiscard]] Result<std::shared_ptr<const CellBlock>> readCells(const PlaneData& plane,
                                                                 const WindowFiller& window,
                                                                 const CellRange& range,
                                                                 const JobContext& ctx = {});

struct FrameRequest {
    PictureTransform transform;
    QSize device;      ///< pixels of the picture
    double ratio = 1;  ///< device pixels per logical pixel
    Pooling pooling = Pooling::AbsMax;
    friend bool operator==(const FrameRequest&, const FrameRequest&) = default;
};

/// What is painted over the colours of a frame.
struct FrameMarks {
    std::optional<std::pair<double, double>> brushed;  ///< values outside are dimmed
    std::optional<double> outlierLevel;                ///< pooled pixels with |value| above keep at least 3 px
    QRgb canvas = 0xffffffff;
};

/// One picture of a plane at device resolution: values per pixel, then colours. Knows which exact cells it needs and keeps the
/// last window of them; who owns it decides whether to read them at once or in a job.
class PictureFrame {
public:
    /// `window` may be empty: then cells come from the plane's rows.
    void setPlane(std::shared_ptr<const PlaneData> plane, WindowFiller window);
    [[nodiscard]] const std::shared_ptr<const PlaneData>& plane() const { return m_plane; }
    [[nodiscard]] const WindowFiller& window() const { return m_window; }

    /// The cells that must be read before sample(): empty where the pyramid suffices or the window at hand contains them.
    [[nodiscard]] std::optional<CellRange> missing(const FrameRequest& request) const;
    /// Milliseconds that reading would take, from the reads so far.
    [[nodiscard]] double estimate(const CellRange& range) const;
    void adopt(std::shared_ptr<const CellBlock> block, double milliseconds);
    [[nodiscard]] const std::shared_ptr<const CellBlock>& cells() const { return m_cells; }
    /// True while the levels of Pooling::Min are still to be made (one read of the whole plane).
    [[nodiscard]] bool needsMinLevels(const FrameRequest& request) const;

    /// Values of every pixel. @cost O(pixels)
    [[nodiscard]] Result<void> sample(const FrameRequest& request);
    /// Colours of every pixel from the values at hand. @cost O(pixels), no sampling
    void colour(const ColorSetting& setting, const FrameMarks& marks);

    [[nodiscard]] bool valid() const { return !m_texels.values.empty(); }
    [[nodiscard]] const QImage& image() const { return m_image; }
    [[nodiscard]] const Texels& texels() const { return m_texels; }
    /// What the image shows; differs from what is wanted while cells are read.
    [[nodiscard]] const FrameRequest& request() const { return m_request; }
    [[nodiscard]] bool pooled() const { return m_texels.cellsX > 1 || m_texels.cellsY > 1; }
    /// How many pixels lie in each of `bins` equal parts of the legend.
    [[nodiscard]] std::vector<std::uint32_t> histogram(const ColorSetting& setting, int bins) const;
    /// |value| that the fraction `q` of the pixels stays under; 0 without pixels.
    [[nodiscard]] double magnitudeQuantile(double q) const;

private:
    std::shared_ptr<const PlaneData> m_plane;
    WindowFiller m_window;
    std::shared_ptr<const CellBlock> m_cells;
    Texels m_texels;
    QImage m_image;
    FrameRequest m_request;
    double m_nsPerCell = 4;
};

}  // namespace loupe::app
