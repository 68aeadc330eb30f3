// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace loupe {

/// Which rows of the activations calibrate.
enum class CalibrationChoice : std::uint8_t {
    First,   ///< the first N
    Spread,  ///< N at equal distances: row floor(i·rows / N)
    Random,  ///< N different ones by a seed
};

struct Calibration {
    std::int64_t rows = 0;  ///< 0, or as many as there are: all
    CalibrationChoice choice = CalibrationChoice::First;
    std::uint64_t seed = 0;
};

/// "first", "spread", "random"; empty where the text is none of them.
[[nodiscard]] std::optional<CalibrationChoice> parseCalibrationChoice(std::string_view text);

/// The rows of `total` that calibrate, ascending.
/// @cost O(total)
[[nodiscard]] std::vector<std::int64_t> calibrationRows(const Calibration& calibration,
                                                        std::int64_t total);

/// All rows of `rows` with those that calibrate first, so that a step that takes the first N takes
/// them. `order` (place -> row of `rows`) is empty where that is the order they have.
struct CalibratedRows {
    std::shared_ptr<const RowSource> rows;
    std::vector<std::int64_t> order;
};
[[nodiscard]] CalibratedRows calibrated(std::shared_ptr<const RowSource> rows,
                                        const Calibration& calibration);

}  // namespace loupe
