// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace loupe::app {

/// One number for each tensor, from a file of the user's.
struct OwnColumn {
    QString title;
    std::vector<double> values;       ///< by tensor
    std::vector<std::uint8_t> known;  ///< by tensor: the file says one
};

/// What a table `tensor,value…` says of a checkpoint.
struct OwnTable {
    std::vector<OwnColumn> columns;
    std::size_t rows = 0;  ///< lines that were taken
    std::size_t problems = 0;
    std::vector<QString> told;  ///< the first of them: "line 7: expected a number, found "x""
};

/// Reads a table: names in the first column, numbers in the others, separated by comma, semicolon
/// or tab; an optional line of titles. A name that the checkpoint lacks, a number that is none, a
/// line of another length or a name twice is told by its line and left out. An empty place means:
/// no value.
/// @param find  index of a tensor by its name
[[nodiscard]] OwnTable readOwnTable(
    std::string_view text,
    std::size_t tensors,
    const std::function<std::optional<std::size_t>(std::string_view name)>& find);

}  // namespace loupe::app
