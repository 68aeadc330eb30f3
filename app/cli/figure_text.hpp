// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/cli/scheme_result.hpp"
#include "core/experiment/figures.hpp"

#include <string>
#include <string_view>

namespace loupe::cli {

/// "scheme" as a CSV field: quoted where it must be.
[[nodiscard]] std::string csvField(std::string_view text);
/// The columns of every figure of a scheme, after whatever names the row.
[[nodiscard]] std::string figureCsvHeader();
[[nodiscard]] std::string figureCsv(const Figures& figures);
/// bits_per_weight, metrics, zeros, clipped, count, seconds into the open object.
void writeFigures(JsonWriter& json, const Figures& figures);
/// `text` in `width` columns, at the right if `right`; one blank at least where it is longer.
[[nodiscard]] std::string cell(std::string text, std::size_t width, bool right = true);
/// Four significant digits; "-" where there is no value.
[[nodiscard]] std::string fourDigits(std::optional<double> value);

}  // namespace loupe::cli
