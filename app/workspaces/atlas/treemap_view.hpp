// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/atlas/atlas_model.hpp"
#include "app/workspaces/atlas/treemap_layout.hpp"

#include <QJsonObject>
#include <QTimer>
#include <QWidget>

#include <memory>
#include <optional>

class QLabel;
class QPushButton;

namespace loupe::app {

class SegmentedControl;

/// Where the bytes go: a rectangle for each tensor, in groups. Arrows walk over the tensors.
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
    void paintExport(QPainter& painter, const QRectF& target) const;
    [[nodiscard]] QString copyText() const;
    [[nodiscard]] QSize minimumSizeHint() const override { return {240, 160}; }

signals:
    void hovered(const QString& sentence);
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
    void paintLabel(QPainter& painter, const TreemapTile& tile) const;
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
    bool m_busy = false;
    bool m_ring = false;
};

/// The map with its choices and what is selected.
class TreemapPane : public QWidget {
    Q_OBJECT

public:
    explicit TreemapPane(AtlasModel& model, QWidget* parent = nullptr);

    [[nodiscard]] TreemapPicture& picture() { return *m_picture; }
    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    void readoutChanged(const QString& html);

private:
    void choose();
    void showSelection();

    AtlasModel& m_model;
    SegmentedControl* m_group = nullptr;
    SegmentedControl* m_size = nullptr;
    TreemapPicture* m_picture = nullptr;
    QLabel* m_total = nullptr;
    QLabel* m_detail = nullptr;
    QPushButton* m_open = nullptr;
};

}  // namespace loupe::app
