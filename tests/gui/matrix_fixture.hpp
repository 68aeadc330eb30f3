// SPDX-License-Identifier: GPL-3.0-or-later
// Planes and widgets for the tests of the matrix picture.
#pragma once

#include <QApplication>
#include <QImage>
#include <QPainter>
#include <QtTest>

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "app/plot/heatmap.hpp"
#include "core/base/rng.hpp"
#include "core/io/tensor_source.hpp"
#include "core/stats/pyramid.hpp"

namespace loupe::test {

/// A plane over values in memory.
inline std::shared_ptr<const app::PlaneData> makePlane(std::int64_t rows, std::int64_t cols, std::vector<float> values) {
    auto shared = std::make_shared<const std::vector<float>>(std::move(values));
    auto plane = std::make_shared<app::PlaneData>();
    plane->rows = rows;
    plane->cols = cols;
    plane->fill = [shared, cols](std::int64_t first, std::int64_t count, float* out) -> Result<void> {
        std::copy_n(shared->data() + first * cols, count * cols, out);
        return {};
    };
    plane->pyramid = *buildPyramid(rows, cols, plane->fill);
    return plane;
}

/// Small values with `outliers` single cells of 1 at places of their own, at least a few cells apart.
inline std::vector<float> withOutliers(std::int64_t rows, std::int64_t cols, int outliers, std::vector<app::Cell>* places) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    std::uint32_t state = 12345;
    for (float& value : values) {
        state = state * 1664525U + 1013904223U;
        value = 0.01F * (static_cast<float>(state >> 8) / 8388608.0F - 1);
    }
    const auto side = static_cast<std::int64_t>(std::ceil(std::sqrt(outliers)));
    for (int i = 0; i < outliers; ++i) {
        state = state * 1664525U + 1013904223U;
        const std::int64_t stepY = rows / side;
        const std::int64_t stepX = cols / side;
        const app::Cell cell{(i / side) * stepY + (state >> 8) % (stepY / 2), (i % side) * stepX + (state >> 16) % (stepX / 2)};
        values[static_cast<std::size_t>(cell.row * cols + cell.col)] = (i % 2 == 0) ? 1.0F : -1.0F;
        places->push_back(cell);
    }
    return values;
}

/// The widget as it is painted at a device-pixel ratio.
inline QImage grabAt(QWidget& widget, double ratio) {
    QImage image(QSize(static_cast<int>(std::lround(widget.width() * ratio)), static_cast<int>(std::lround(widget.height() * ratio))), QImage::Format_RGB32);
    image.setDevicePixelRatio(ratio);
    image.fill(Qt::magenta);
    widget.render(&image);
    return image;
}

}  // namespace loupe::test
