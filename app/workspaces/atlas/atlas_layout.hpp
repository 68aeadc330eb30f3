// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/experiment/tensor_role.hpp"
#include "core/io/tensor_source.hpp"

#include <QString>

#include <cstdint>
#include <span>
#include <vector>

namespace loupe::app {

/// One stack of layers (or what is outside of them): roles by layers, each place a cell or none.
struct AtlasSection {
    QString title;                     ///< "model.layers"; of the outer one a phrase
    bool outer = false;                ///< a list of cells without layers: `roles` are their names
    std::vector<std::int64_t> layers;  ///< columns, ascending
    std::vector<QString> roles;        ///< rows, in the order of TensorPlace::rank
    std::vector<std::int32_t> grid;    ///< roles × layers (outer: one each): a cell, or -1
    [[nodiscard]] std::int32_t cell(std::size_t role, std::size_t layer) const {
        return grid[outer ? role : role * layers.size() + layer];
    }
};

/// Where each tensor of a checkpoint stands in the atlas. Immutable.
struct AtlasLayout {
    std::vector<TensorPlace> places;  ///< by tensor
    std::vector<AtlasSection> sections;
    std::vector<std::uint32_t> tensors;  ///< by cell: those of cell c are [first[c], first[c + 1])
    std::vector<std::uint32_t> first;
    std::vector<std::int32_t> cellOf;  ///< by tensor
    [[nodiscard]] std::size_t cells() const { return first.empty() ? 0 : first.size() - 1; }
    [[nodiscard]] std::span<const std::uint32_t> in(std::size_t cell) const {
        return std::span(tensors).subspan(first[cell], first[cell + 1] - first[cell]);
    }
};

/// Sorts tensors by stack, layer and role. A cell holds several where a layer has many of a role
/// (experts). @cost O(n log n)
[[nodiscard]] AtlasLayout makeAtlasLayout(std::span<const TensorInfo> tensors);

/// "layer 3, q"; of an outer tensor its role alone.
[[nodiscard]] QString placeText(const TensorPlace& place);

}  // namespace loupe::app
