// SPDX-License-Identifier: GPL-3.0-or-later
// Small windows and large text: nothing grows beyond the screen, and tabs keep their words.
#include "app/document/inputs.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/notice_bar.hpp"
#include "app/shell/options.hpp"
#include "app/widgets/theme.hpp"
#include "core/io/npy_writer.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/timing.hpp"

#include <QLabel>
#include <QTabBar>

#include <span>
#include <vector>

using namespace loupe;
using namespace loupe::app;

namespace {

std::unique_ptr<MainWindow> opened(Appearance& appearance, QSize size, double font) {
    appearance.start("light", font);
    auto window = std::make_unique<MainWindow>(
        appearance, QString::fromStdString((test::scratchDir() / "running").string()));
    Options options;
    options.paths << "synthetic:F1";
    options.schemeA = "absmax:bits=4";
    options.size = size;
    options.screenshot = "unused";  // leaves saved layouts alone
    window->start(options);
    window->show();
    REQUIRE(
        QTest::qWaitFor([&] { return window->document().source() != nullptr; }, test::kPatience));
    REQUIRE(test::settled(window->document()));
    QTest::qWait(50);
    return window;
}

}  // namespace

TEST_CASE("twice the text does not make a window of 1080 lines grow") {
    Appearance appearance;
    const auto window = opened(appearance, QSize(1920, 1080), 2);
    CHECK(window->size() == QSize(1920, 1080));
    applyTheme(ThemeId::Light, 1);
}

TEST_CASE("tabs of panels keep their words in a window of 1280 x 720") {
    Appearance appearance;
    const auto window = opened(appearance, QSize(1280, 720), 1);
    CHECK(window->size() == QSize(1280, 720));
    int tabs = 0;
    for (const QTabBar* bar : window->findChildren<QTabBar*>()) {
        for (int i = 0; bar->isVisible() && i < bar->count(); ++i) {
            CAPTURE(bar->tabText(i).toStdString(), bar->tabRect(i).width());
            CHECK(bar->tabRect(i).width() >=
                  bar->fontMetrics().horizontalAdvance(bar->tabText(i)) + Theme::px(8));
            ++tabs;
        }
    }
    CHECK(tabs >= 8);
}

TEST_CASE("activations that do not fit are told once, and no longer when they are gone") {
    Appearance appearance;
    const auto window = opened(appearance, QSize(1280, 720), 1);
    const std::vector<float> values(20, 0.5F);
    const auto path = test::scratchDir() / "wrong.npy";
    const auto bytes = [&](const ByteSink& sink) { return sink(std::as_bytes(std::span(values))); };
    REQUIRE(writeNpy(path.string(), "fp32", {4, 5}, bytes).has_value());
    NoticeBar& notices = window->notices();
    setActivations(window->document(), QString::fromStdString(path.string()));
    REQUIRE(QTest::qWaitFor([&] { return notices.text().contains("[4, 5]"); }, test::kPatience));
    for (const char* scheme : {"absmax:bits=3", "absmax:bits=5"}) {
        window->document().setScheme(Side::A, scheme, "A");
        REQUIRE(test::settled(window->document()));
    }
    for (const QLabel* label : notices.findChildren<QLabel*>()) {
        CHECK_FALSE(label->text().contains(QChar(0xD7)));  // no "(×3)"
    }
    CHECK(notices.isVisible());
    setActivations(window->document(), {});
    REQUIRE(test::settled(window->document()));
    CHECK(QTest::qWaitFor([&] { return !notices.isVisible(); }, test::kPatience));
}
