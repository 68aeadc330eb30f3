// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QElapsedTimer>
#include <QImage>
#include <QPointer>
#include <QWidget>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "app/document/cursor.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/plot/channel_strips.hpp"
#include "app/plot/picture_frame.hpp"
#include "app/plot/picture_transform.hpp"

namespace loupe::app {

/// The picture of a matrix: one value per device pixel from the plane's pyramid, axes, channel strips, cell texts, crosshair and
/// marks; pans and zooms. Knows nothing of documents: the view tells it what to show and listens.
class Heatmap : public QWidget {
    Q_OBJECT

public:
    /// @param jobs  reads cells that take too long for the UI thread; null: everything at once (tests, exports)
    explicit Heatmap(JobManager* jobs, QWidget* parent = nullptr);
    ~Heatmap() override;

    /// Null: nothing to show. A plane of another shape resets the zoom to the whole matrix.
    /// @param window  decodes only a window of cells where the source can; may be empty
    void setPlane(std::shared_ptr<const PlaneData> plane, WindowFiller window = {});
    [[nodiscard]] const std::shared_ptr<const PlaneData>& plane() const { return m_frame.plane(); }
    /// While a newer plane is computed the picture is dimmed and a line on top shows how far; -1: unknown.
    void setPending(bool pending, double fraction = -1);
    /// What stands on an empty canvas.
    void setEmptyText(const QString& title, const QString& detail);

    void setColor(const ColorSetting& setting);
    [[nodiscard]] const ColorSetting& color() const { return m_color; }
    void setPooling(Pooling pooling);
    [[nodiscard]] Pooling pooling() const { return m_pooling; }
    void setAspect(Aspect aspect);
    [[nodiscard]] Aspect aspect() const { return m_aspect; }
    /// Pooled pixels above this |value| keep at least 3 px.
    void setOutlierLevel(std::optional<double> level);

    void setStrips(std::shared_ptr<const ChannelStrip> columns, std::shared_ptr<const ChannelStrip> rows);
    void setSelected(std::optional<Cell> cell);
    [[nodiscard]] std::optional<Cell> selected() const { return m_selected; }
    void setHover(std::optional<Cell> cell);
    [[nodiscard]] std::optional<Cell> hover() const { return m_hover; }
    /// Several cells share the hovered pixel, and the hovered one colours it.
    [[nodiscard]] bool hoverIsLargest() const { return m_hoverIsLargest; }
    void setPins(std::vector<Pin> pins);
    void setEdited(std::vector<Cell> cells);
    void setBrushed(std::optional<std::pair<double, double>> range);
    /// Text in a large cell; empty function: the value.
    void setCellText(std::function<QString(Cell, float)> text);
    /// Second and third line of the read-out beside the hovered cell ("0xA4AD").
    void setReadout(std::function<QStringList(Cell, float)> lines);
    /// First column of the next group right of a cell's group; empty function: no group borders.
    void setGroups(std::function<std::pair<std::int64_t, std::int64_t>(Cell)> groups);

    [[nodiscard]] const PictureTransform& transform() const { return m_transform; }
    void setTransform(const PictureTransform& transform);
    [[nodiscard]] bool atFit() const { return m_fit; }
    void zoomBy(double factor, std::optional<QPointF> point = {});
    void fit();
    void oneToOne();
    /// Pans (and zooms in if the cells are too small to tell apart) so that the cell is seen.
    void reveal(Cell cell);
    /// The next drag with the left button selects a box to zoom into.
    void setBoxZoom(bool on);

    [[nodiscard]] QRectF pictureRect() const { return m_picture; }
    [[nodiscard]] MatrixShape shape() const;
    [[nodiscard]] CellRange visibleCells() const;
    [[nodiscard]] const PictureFrame& frame() const { return m_frame; }
    /// The exact value of a cell if it is at hand or cheap to read.
    [[nodiscard]] std::optional<float> valueAt(Cell cell) const;
    /// The cell that a point of the picture stands for: where cells share a pixel, the one that colours it.
    [[nodiscard]] std::optional<Cell> cellFor(QPointF position) const;
    /// "each pixel: max |w| of 4 × 8 cells"; empty where nothing is pooled.
    [[nodiscard]] QString poolingText() const;

    /// Draws everything but hover and focus into `target` of any painter: colours as an image, the rest as vectors.
    void paintPicture(QPainter& painter, const QRectF& target);
    /// Brings the frame up to date now (tests, exports); true if nothing is left to read.
    bool updateFrame();
    /// Milliseconds spent in the last paint event, sampling included.
    [[nodiscard]] double lastPaintMs() const { return m_lastPaintMs; }
    [[nodiscard]] QSize sizeHint() const override { return {720, 480}; }
    [[nodiscard]] QSize minimumSizeHint() const override { return {200, 150}; }

signals:
    void hovered(std::optional<loupe::app::Cell> cell);
    void cellClicked(loupe::app::Cell cell);
    void channelClicked(bool column, qint64 index);
    void transformChanged();
    /// Another frame was sampled: pooling text, visible histogram.
    void frameChanged();
    void pinRequested(loupe::app::Cell cell);
    void clearRequested();
    void peekRequested(bool on);
    void swapRequested();
    void goToRequested();
    void boxZoomEnded();
    void readFailed(const QString& message);
    /// Right button or menu key on a cell.
    void menuRequested(loupe::app::Cell cell, const QPoint& globalPosition);

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void keyReleaseEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    enum class Drag { None, Pan, Box };
    struct Parts;

    [[nodiscard]] Parts layoutParts(QSizeF size) const;
    void applyLayout();
    void moveTo(const PictureTransform& transform, bool fit);
    [[nodiscard]] FrameRequest wantedFrame(QSizeF picture, double ratio) const;
    [[nodiscard]] FrameMarks marks() const;
    bool readMissing(const FrameRequest& request);
    void readInJob(const CellRange& range);
    void makeMinLevels(const FrameRequest& request);
    void invalidateColour();
    void hoverAt(QPointF position);
    void settle();
    [[nodiscard]] bool isLargest(Cell cell) const;
    [[nodiscard]] Cell cellOfTexel(int x, int y, Cell under) const;
    bool panKey(int key);
    bool zoomKey(const QKeyEvent& event);
    bool selectionKey(const QKeyEvent& event);
    bool actionKey(const QKeyEvent& event);
    [[nodiscard]] bool usesKey(const QKeyEvent& event) const;
    void moveSelection(std::int64_t rows, std::int64_t cols, bool byGroup);

    void paintAll(QPainter& painter, const Parts& parts, const PictureFrame& frame, bool interactive);
    void paintImage(QPainter& painter, const Parts& parts, const PictureFrame& frame);
    void paintCells(QPainter& painter, const Parts& parts, const PictureFrame& frame);
    void paintGrid(QPainter& painter, const QRectF& picture, const CellRange& range);
    void paintGroups(QPainter& painter, const QRectF& picture, const CellRange& range);
    void paintCellTexts(QPainter& painter, const QRectF& picture, const CellRange& range, const PictureFrame& frame);
    void paintNonFinite(QPainter& painter, const QRectF& cell, float value) const;
    void paintMarksOfCells(QPainter& painter, const QRectF& picture);
    void paintSelection(QPainter& painter, const QRectF& picture);
    void paintCrosshair(QPainter& painter, const QRectF& picture);
    void paintReadout(QPainter& painter, const QRectF& picture);
    void paintCard(QPainter& painter, const QString& title, const QStringList& lines, const QRectF& anchor) const;
    void paintStrips(QPainter& painter, const Parts& parts, bool interactive);
    void paintProgress(QPainter& painter, const QRectF& picture);
    void paintEmpty(QPainter& painter, const QRectF& area);

    QPointer<JobManager> m_jobs;
    QString m_slot;
    PictureFrame m_frame;
    ColorSetting m_color;
    Pooling m_pooling = Pooling::AbsMax;
    Aspect m_aspect = Aspect::Fill;
    std::optional<double> m_outlierLevel;
    std::shared_ptr<const ChannelStrip> m_columns, m_rows;
    std::optional<Cell> m_selected, m_hover;
    std::optional<std::pair<bool, std::int64_t>> m_hoverChannel;  // column?, index
    QPointF m_hoverPosition;
    bool m_hoverIsMine = false;
    bool m_hoverIsLargest = false;
    std::vector<Pin> m_pins;
    std::vector<Cell> m_edited;
    std::optional<std::pair<double, double>> m_brushed;
    std::function<QString(Cell, float)> m_cellText;
    std::function<QStringList(Cell, float)> m_readout;
    std::function<std::pair<std::int64_t, std::int64_t>(Cell)> m_groups;
    QString m_emptyTitle, m_emptyDetail;
    PictureTransform m_transform;
    QRectF m_picture;
    bool m_fit = true;
    bool m_pending = false;
    double m_fraction = -1;
    bool m_sampled = false;   // m_frame shows what is wanted
    bool m_coloured = false;
    bool m_exporting = false;
    bool m_failed = false;    // the last read failed: do not try again before something changes
    std::optional<CellRange> m_reading;
    bool m_boxZoom = false;
    bool m_keyboardFocus = false;  // came here by Tab: the ring is drawn
    Drag m_drag = Drag::None;
    QPointF m_pressed, m_dragLast;
    bool m_moved = false;
    QRectF m_box;
    double m_lastPaintMs = 0;
};

}  // namespace loupe::app
