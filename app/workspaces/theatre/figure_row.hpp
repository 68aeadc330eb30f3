// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

namespace loupe::app {

class TheatreModel;

/// The numbers worth watching in large digits, and the sentence that a student should take home.
class FigureRow : public QWidget {
    Q_OBJECT

public:
    explicit FigureRow(TheatreModel& model, QWidget* parent = nullptr);
    /// The height that it may take; what is said elsewhere too is left out first.
    void setRoom(int height);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void refresh();
    /// Draws where `painter` is given; the height that it takes.
    int layOut(QPainter* painter, int width) const;
    int layOut(QPainter* painter, int width, int brevity) const;

    TheatreModel& m_model;
    int m_height = -1;
    int m_room = 100000;
};

}  // namespace loupe::app
