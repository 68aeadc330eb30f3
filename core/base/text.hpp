// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// The shortest decimal that reads back as the same double: "0.1", "1e-05" becomes "1e-05". "nan", "inf", "-inf".
[[nodiscard]] std::string shortest(double value);
/// The shortest decimal that reads back as the same float.
[[nodiscard]] std::string shortest(float value);

/// Whole-string conversions, independent of the locale; empty where the text is not exactly one number.
[[nodiscard]] std::optional<double> parseDouble(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parseInteger(std::string_view text);

[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string toLower(std::string_view text);

/// `*` and `?` match any characters / any one character (also `/` and `.`); case-sensitive. Linear in text for each `*`.
[[nodiscard]] bool matchesGlob(std::string_view pattern, std::string_view text);

/// The candidates nearest to `word` by edit distance, best first, for "did you mean". At most `most`, none too far away.
[[nodiscard]] std::vector<std::string> nearest(std::string_view word,
                                               const std::vector<std::string>& candidates,
                                               std::size_t most = 3);

}  // namespace loupe
