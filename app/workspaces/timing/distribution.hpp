// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/timing/timing_text.hpp"

#include <QWidget>

namespace loupe::app {

/// Every sample of a case in its order, and beside them their histogram on the same axis of time;
/// median, quartiles and floor across both.
class Distribution : public QWidget {
    Q_OBJECT

public:
    explicit Distribution(QWidget* parent = nullptr);
    /// Null: nothing.
    void setRecord(const RecordPtr& record);
    void paintTo(QPainter& painter, const QRectF& target) const;
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void paintHistogram(QPainter& painter, const QRectF& area, double low, double high) const;
    void paintSamples(QPainter& painter,
                      const QRectF& target,
                      const QRectF& order,
                      const QRectF& histogram,
                      double low,
                      double high) const;

    RecordPtr m_record;
};

}  // namespace loupe::app
