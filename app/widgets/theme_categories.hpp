// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>

namespace loupe::app {

inline constexpr int kCategoryCount = 8;

/// The categories of the visual language: eight colours after Okabe and Ito in the current theme.
/// Each has a shape of its own (drawCategoryMark), so that colour is never the only cue. Index 0 to
/// 7, then again from the start.
[[nodiscard]] QColor categoryColor(int index);

}  // namespace loupe::app
