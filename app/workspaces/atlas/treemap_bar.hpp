// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/flow_box.hpp"
#include "app/workspaces/atlas/treemap_view.hpp"

#include <QJsonObject>

namespace loupe::app {

class SegmentedControl;

/// The types that the rectangles' colours stand for, and how many bytes each has.
class TypeKey : public QWidget {
    Q_OBJECT

public:
    explicit TypeKey(const TreemapPicture& picture, QWidget* parent = nullptr);
    void refresh();
    void paintKey(QPainter& painter, const QRectF& target) const;
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    const TreemapPicture& m_picture;
};

/// What an area stands for, how tensors are grouped and what a colour means.
class TreemapBar : public FlowBox {
    Q_OBJECT

public:
    explicit TreemapBar(TreemapPicture& picture, QWidget* parent = nullptr);

    [[nodiscard]] SegmentedControl* colors() const { return m_colors; }
    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    void changed();

private:
    void choose();

    TreemapPicture& m_picture;
    SegmentedControl* m_group = nullptr;
    SegmentedControl* m_size = nullptr;
    SegmentedControl* m_colors = nullptr;
};

}  // namespace loupe::app
