// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/flow_box.hpp"
#include "app/workspaces/atlas/treemap_view.hpp"

#include <QJsonObject>

class QLabel;

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
    TreemapBar(AtlasModel& model, TreemapPicture& picture, QWidget* parent = nullptr);

    void showTotal();
    [[nodiscard]] SegmentedControl* colors() const { return m_colors; }
    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    void changed();

private:
    void choose();

    AtlasModel& m_model;
    TreemapPicture& m_picture;
    SegmentedControl* m_group = nullptr;
    SegmentedControl* m_size = nullptr;
    SegmentedControl* m_colors = nullptr;
    QLabel* m_total = nullptr;
};

}  // namespace loupe::app
