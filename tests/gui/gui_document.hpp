// SPDX-License-Identifier: GPL-3.0-or-later
// What GUI tests do again and again: opening something and waiting for results.
#pragma once

#include "app/document/analyses.hpp"
#include "app/document/document.hpp"
#include "tests/support/catch.hpp"

#include <QString>
#include <QTest>

namespace loupe::test {

inline constexpr int kPatience = 60'000;

inline bool settled(app::Document& document) {
    return QTest::qWaitFor([&] { return document.analyses().idle(); }, kPatience);
}

/// Opens a path and waits until it is there; `schemes` as in a fresh window.
inline void openAndWait(app::Document& document, const QString& path) {
    document.open(path);
    REQUIRE(QTest::qWaitFor(
        [&] { return document.source() != nullptr || document.openError().has_value(); },
        kPatience));
}

}  // namespace loupe::test
