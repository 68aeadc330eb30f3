// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/theme_categories.hpp"

#include "app/widgets/theme.hpp"

namespace loupe::app {

QColor categoryColor(int index) {
    // Black and yellow are replaced per theme: they must show on dark and on light.
    const bool dark = Theme::current().dark;
    switch (((index % kCategoryCount) + kCategoryCount) % kCategoryCount) {
        case 0:
            return dark ? QColor(0x56, 0xB4, 0xE9) : QColor(0x00, 0x72, 0xB2);
        case 1:
            return QColor(0xE6, 0x9F, 0x00);
        case 2:
            return QColor(0x00, 0x9E, 0x73);
        case 3:
            return QColor(0xCC, 0x79, 0xA7);
        case 4:
            return QColor(0xD5, 0x5E, 0x00);
        case 5:
            return dark ? QColor(0x4C, 0x8F, 0xD6) : QColor(0x3A, 0x9B, 0xD9);
        case 6:
            return dark ? QColor(0xF0, 0xE4, 0x42) : QColor(0x9A, 0x8A, 0x00);
        default:
            return Theme::current().text3;
    }
}

}  // namespace loupe::app
