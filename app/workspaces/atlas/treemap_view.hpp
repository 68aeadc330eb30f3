// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/plot/color_setting.hpp"
#include "app/workspaces/atlas/atlas_model.hpp"
#include "app/workspaces/atlas/treemap_layout.hpp"

#include <QTimer>
#include <QWidget>

#include <memory>
#include <optional>
#include <vector>

namespace loupe::app {

/// A type that weights are stored in, and what it takes.
struct StoredType {
    QString name;
    std::uint64_t bytes = 0;
    std::uint32_t tensors = 0;
};

/// Where the bytes go: a rectangle for each tensor, in groups, coloured by the metric as the matrix
/// is, or by the type it is stored in. Arrows walk over the tensors.
class TreemapPicture : public QWidget {
    Q_OBJECT

public:
    explicit TreemapPicture(AtlasModel& model, QWidget* parent = nullptr);
    ~TreemapPicture() override;

    void choose(TreemapGroup group, TreemapSize size);
    /// The map as it is painted; null until it is laid out.
    [[nodiscard]] const std::shared_ptr<const Treemap>& map() const { return m_map; }
    [[nodiscard]] bool busy() const { return m_busy || m_later.isActive(); }
    /// Index of the innermost tile at a point.
    [[nodiscard]] std::optional<std::size_t> tileAt(QPointF point) const;
    [[nodiscard]] QString sentence(std::size_t tile) const;
    /// The same of any tensor, also of one that shares a rectangle.
    [[nodiscard]] QString tensorSentence(std::size_t tensor) const;
    void setColors(const ColorSetting& colors);
    void setByType(bool byType);
    [[nodiscard]] bool byType() const { return m_byType; }
    /// What the checkpoint is stored in, most bytes first.
    [[nodiscard]] const std::vector<StoredType>& types() const { return m_types; }
    /// Types beyond the sixth share a grey.
    [[nodiscard]] static QColor typeColor(std::size_t rank);
    void paintExport(QPainter& painter, const QRectF& target) const;
    [[nodiscard]] QSize minimumSizeHint() const override { return {240, 160}; }

signals:
    /// -1: none, or several that share a rectangle.
    void hovered(std::int64_t tensor, const QString& sentence);
    void opened(std::size_t tensor);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void changeEvent(QEvent* event) override;
    bool event(QEvent* event) override;

private:
    [[nodiscard]] TreemapRequest wanted() const;
    void layOut();
    void paintMap(QPainter& painter, const Treemap& map, bool interactive) const;
    void paintTile(QPainter& painter, const QRectF& rect, const TreemapTile& tile) const;
    void paintHead(QPainter& painter, const TreemapTile& tile) const;
    void paintLabel(QPainter& painter, const TreemapTile& tile, const QColor& ink) const;
    void countTypes();
    [[nodiscard]] QString sizeText(std::uint64_t size) const;
    [[nodiscard]] std::optional<std::size_t> selectedTile() const;
    void step(int dx, int dy);
    void announce();

    AtlasModel& m_model;
    TreemapGroup m_group = TreemapGroup::Role;
    TreemapSize m_size = TreemapSize::Bytes;
    std::shared_ptr<const Treemap> m_map;
    TreemapRequest m_shown;
    std::weak_ptr<const AtlasLayout> m_shownLayout;
    std::optional<std::size_t> m_hover;
    QTimer m_later;
    ColorSetting m_colors;
    std::vector<StoredType> m_types;
    std::vector<std::uint16_t> m_typeOf;  ///< by tensor: place in m_types
    bool m_byType = false;
    bool m_busy = false;
    bool m_ring = false;
};

}  // namespace loupe::app
