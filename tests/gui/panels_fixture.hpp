// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/document/document.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/views/view.hpp"
#include "app/widgets/theme.hpp"
#include "tests/support/catch.hpp"

#include <QSignalSpy>
#include <QTest>

namespace loupe::test {

/// A document with one open source, and views that are really shown (offscreen).
struct Panels {
    app::Document document;

    explicit Panels(const std::string& source,
                    const std::string& schemeA = {},
                    const std::string& schemeB = {}) {
        app::applyTheme(app::ThemeId::Light, 1);
        ExperimentSpec spec;
        spec.source = source;
        spec.schemeA = schemeA;
        spec.schemeB = schemeB;
        document.reset(spec);
        REQUIRE(QTest::qWaitFor([this] { return !document.opening(); }, 20000));
        REQUIRE(document.tensor() != nullptr);
    }

    template <class V>
    std::unique_ptr<V> show(QSize size) {
        auto view = std::make_unique<V>(document);
        view->resize(size);
        view->show();
        settle();
        return view;
    }

    /// Every result that a view asked for is there.
    void settle() {
        QTest::qWait(20);
        REQUIRE(QTest::qWaitFor(
            [this] { return document.analyses().idle() && document.jobs().running().empty(); },
            60000));
        QTest::qWait(20);
    }
};

}  // namespace loupe::test
