// SPDX-License-Identifier: GPL-3.0-or-later
// Help → Self-test: counts that were really counted, and a window that may be closed at any time.
#include "app/shell/selftest_dialog.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"
#include "tests/gui/gui_document.hpp"

#include <QPushButton>

using namespace loupe;
using namespace loupe::app;

TEST_CASE("self-test: runs in the background and shows every format's counts") {
    app::applyTheme(app::ThemeId::Light, 1);
    auto* dialog = new SelfTestDialog();
    dialog->show();
    CHECK(dialog->running());
    REQUIRE(QTest::qWaitFor([&] { return !dialog->running(); }, test::kPatience));
    const SelfTestReport& report = dialog->report();
    CHECK(report.items.size() > 30);
    CHECK(report.passed() > 100'000);
    for (const SelfTestItem& item : report.items) {
        CAPTURE(item.format, item.firstFailure);
        CHECK(item.passed > 0);
        CHECK(item.failed == 0);
    }
    CHECK(dialog->table().rowCount() == static_cast<int>(report.items.size()));
    CHECK(dialog->table().copyText().contains("q4_k"));
    CHECK(dialog->verdict().contains("0 failed"));
    dialog->close();
    auto* closed = new SelfTestDialog();  // in the middle of its work
    closed->show();
    closed->close();
    QTest::qWait(50);
}
