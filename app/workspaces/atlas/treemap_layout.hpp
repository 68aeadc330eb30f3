// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/atlas/atlas_layout.hpp"

#include <QRectF>
#include <QString>

#include <cstdint>
#include <span>
#include <vector>

namespace loupe::app {

/// Rectangles with areas in the proportion of `sizes` (descending, all > 0) that fill `area`, each
/// as near to a square as the algorithm gets: squarified treemaps, Bruls, Huizing and van Wijk
/// 2000. @cost O(n)
[[nodiscard]] std::vector<QRectF> squarify(std::span<const double> sizes, const QRectF& area);

enum class TreemapGroup { Role, Layer, None };
enum class TreemapSize { Bytes, Parameters };

/// One rectangle of a treemap.
struct TreemapTile {
    QRectF rect;
    std::uint64_t size = 0;
    std::int64_t tensor = -1;  ///< -1: a group, or several tensors too small to be seen
    std::uint32_t count = 1;   ///< tensors in it
    std::int32_t group = -1;   ///< of a tensor: the tile of its group; -1: none
    QString label;
    bool isGroup = false;
};

struct Treemap {
    std::vector<TreemapTile> tiles;  ///< a group stands before what is in it
    std::uint64_t total = 0;
    QSizeF size;
};

struct TreemapRequest {
    TreemapGroup group = TreemapGroup::Role;
    TreemapSize size = TreemapSize::Bytes;
    QSizeF area;
    double head = 18;       ///< height of a group's title, where there is room for one
    double leastArea = 30;  ///< smaller tensors of a group share a rectangle
    friend bool operator==(const TreemapRequest&, const TreemapRequest&) = default;
};

/// @cost O(n log n); at most area / leastArea tiles
[[nodiscard]] Treemap makeTreemap(std::span<const TensorInfo> tensors,
                                  const AtlasLayout& layout,
                                  const TreemapRequest& request);

}  // namespace loupe::app
