// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace loupe::bench {

/// QCustomPlot's own colour map in a 1920x1080 plot, as a peer of the heat map. In a file of its own, since it needs Qt.
class QcpPeer {
public:
    /// Null in builds without the application.
    [[nodiscard]] static std::unique_ptr<QcpPeer> make();
    virtual ~QcpPeer() = default;
    virtual void load(std::int64_t size, const float* cells) = 0;  ///< set size, every cell, range, first paint
    virtual void pan(double left, double top, double cellsPerPixel) = 0;
    virtual void changeRange(double low, double high) = 0;
};

}  // namespace loupe::bench
