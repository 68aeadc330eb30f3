// SPDX-License-Identifier: Apache-2.0
// What packed schemes share to fill a BlockView: bytes gathered from several stored tensors, and
// elements taken apart by a recipe.
#pragma once

#include "core/blocks/block_view.hpp"
#include "core/io/packed/parts.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace loupe::packed {

/// Weights shown at once; a larger group is shown in windows.
inline constexpr std::int64_t kMostCells = 256;

/// A figure of one element: which bits make it.
struct Figure {
    std::vector<BitRun> bits;
    std::size_t meaning = 0;  ///< index into Recipe::meanings
};

/// What a kind of figure is.
struct Meaning {
    std::string name;  ///< "q", "scale", "zero"
    BlockRole role = BlockRole::Codes;
    std::function<double(std::uint64_t)> value;  ///< of the bits
};

/// How an element's value follows from its figures' values, in their order.
struct Recipe {
    std::string formula;
    std::vector<Meaning> meanings;
    std::function<double(std::span<const double>)> value;
    std::function<std::string(std::span<const double>)> equation;
};

class ViewBuilder {
public:
    /// Copies bytes [first, first + count) of a part into the view, as (a stretch of) a field.
    /// Returns where they begin in the view. The same bytes twice are kept once.
    [[nodiscard]] Result<std::int64_t> add(const Part& part,
                                           std::int64_t first,
                                           std::int64_t count);
    /// The same of bytes that were read from a file, at `offset` of it.
    [[nodiscard]] std::int64_t addBytes(const std::string& tensor,
                                        int file,
                                        std::uint64_t offset,
                                        std::span<const std::byte> bytes);
    /// What was added since the last call is one field (or several of that name).
    void field(std::string name, std::string meaning, BlockRole role);
    /// One weight and its figures.
    void cell(std::int64_t row, std::int64_t col, std::vector<Figure> figures);
    [[nodiscard]] BlockView finish(std::string layout,
                                   std::string title,
                                   std::string source,
                                   Recipe recipe,
                                   std::int64_t row,
                                   std::int64_t col);

private:
    [[nodiscard]] std::optional<std::int64_t> known(const std::string& tensor,
                                                    std::uint64_t offset,
                                                    std::int64_t count) const;

    BlockView view_;
    std::vector<std::vector<Figure>> figures_;
    std::int64_t fieldBegin_ = 0;
};

/// `bits` bits of a little-endian stream that begins at byte `base` of the view, from bit `first`.
[[nodiscard]] std::vector<BitRun> bitsAt(std::int64_t base, std::int64_t first, int bits);

/// Value of one element of a scalar type from its bits.
[[nodiscard]] std::function<double(std::uint64_t)> valueOfType(const StorageType& type);

}  // namespace loupe::packed
