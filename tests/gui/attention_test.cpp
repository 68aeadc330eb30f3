// SPDX-License-Identifier: GPL-3.0-or-later
// The Attention workspace: playing, sizes, following a tile, what is printed.
#include "app/plot/export.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/help.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/options.hpp"
#include "app/shell/workspaces.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/equation_label.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "app/workspaces/attention/attention_bar.hpp"
#include "app/workspaces/attention/attention_model.hpp"
#include "app/workspaces/attention/size_form.hpp"
#include "app/workspaces/attention/step_panels.hpp"
#include "app/workspaces/attention/tile_grid.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"

#include <QApplication>
#include <QSlider>

using namespace loupe;
using namespace loupe::app;

namespace {

struct AttentionWindow {
    explicit AttentionWindow(QSize size = QSize(1600, 900), double font = 1) {
        appearance.start("light", font);
        window = std::make_unique<MainWindow>(
            appearance, QString::fromStdString((test::scratchDir() / "running").string()));
        Options options;
        options.workspace = "attention";
        options.size = size;
        options.screenshot = "unused";  // leaves saved layouts alone
        window->start(options);
        window->show();
        settle();
    }
    ~AttentionWindow() { applyTheme(ThemeId::Light, 1); }
    void settle() {
        REQUIRE(QTest::qWaitFor([&] { return !window->workspaces().busy(); }, test::kPatience));
        QTest::qWait(20);
    }
    template <class T>
    T& find() {
        T* found = window->findChild<T*>();
        REQUIRE(found != nullptr);
        return *found;
    }
    AttentionModel& model() { return find<AttentionModel>(); }
    void play(AttentionAlgorithm algorithm, const AttentionSize& size, bool causal = false) {
        AttentionSettings settings = model().settings();
        settings.algorithm = algorithm;
        settings.size = size;
        settings.causal = causal;
        model().change(settings);
        settle();
    }
    void key(Qt::Key key) {
        QWidget* focus = QApplication::focusWidget();
        QTest::keyClick(focus != nullptr ? focus : window.get(), key);
    }
    Appearance appearance;
    std::unique_ptr<MainWindow> window;
};

}  // namespace

TEST_CASE("attention: opens on the specification's example and prints its counts") {
    AttentionWindow view;
    CHECK(view.window->workspaces().current() == "attention");
    REQUIRE(view.model().trace() != nullptr);
    CHECK(view.model().stepCount() == 256);
    CHECK(view.find<AttentionBar>().position() == "tile 1 of 256");
    view.model().move(1000000);
    const MemoryTraffic total = view.model().step()->soFar;
    CHECK(total == MemoryTraffic{2260992, 1148928});
    CHECK(view.find<TrafficPanel>().factor() == "1.31");
    CHECK(view.find<TrafficPanel>().sentence().contains("3.18"));
    CHECK(toAscii(view.find<TrafficPanel>().sentence()).contains("12288"));
    CHECK(toAscii(view.find<ChipPanel>().warning()).contains("16384"));
    CHECK(view.model().step()->onChip.total() == 20480);
    CHECK(toAscii(view.find<TileGrid>().copyText()).count('\n') == 257);
    CHECK(!helpText("attention").isEmpty());
}

TEST_CASE("attention: play, step, back, slider and keys") {
    AttentionWindow view;
    view.play(AttentionAlgorithm::Flash1, {64, 8, 512});
    REQUIRE(view.model().stepCount() == 32);
    TileGrid& grid = view.find<TileGrid>();
    view.find<TrafficPanel>().setFocus();
    view.key(Qt::Key_Right);
    view.key(Qt::Key_Right);
    CHECK(view.model().stepIndex() == 2);
    view.key(Qt::Key_Left);
    CHECK(view.model().stepIndex() == 1);
    view.key(Qt::Key_End);
    CHECK(view.model().stepIndex() == 31);
    view.key(Qt::Key_Home);
    CHECK(view.model().stepIndex() == 0);
    view.find<AttentionBar>().slider()->setValue(10);
    CHECK(view.model().stepIndex() == 10);
    view.key(Qt::Key_Space);
    CHECK(view.model().isPlaying());
    REQUIRE(QTest::qWaitFor([&] { return view.model().stepIndex() > 11; }, test::kPatience));
    view.key(Qt::Key_Space);
    CHECK_FALSE(view.model().isPlaying());
    // In the grid the arrows follow another tile, and the run stays where it is.
    const std::size_t before = view.model().stepIndex();
    grid.setFocus();
    const std::int64_t row = view.model().queryBlock();
    const std::int64_t col = view.model().keyBlock();
    view.key(Qt::Key_Left);
    CHECK(view.model().keyBlock() == std::max<std::int64_t>(0, col - 1));
    view.key(row > 0 ? Qt::Key_Up : Qt::Key_Down);
    CHECK(view.model().queryBlock() != row);
    CHECK(view.model().tileChosen());
    CHECK(view.model().stepIndex() == before);
    CHECK(!grid.accessibleDescription().isEmpty());
    view.key(Qt::Key_Escape);
    CHECK_FALSE(view.model().tileChosen());
    CHECK(view.model().queryBlock() == view.model().step()->queryBlock);
    view.key(Qt::Key_PageDown);
    CHECK(view.model().row() ==
          view.model().trace()->tiling.firstQuery(view.model().queryBlock()) + 1);
}

TEST_CASE("attention: the table and the formula hold the worked example's numbers") {
    AttentionWindow view;
    view.find<SizeForm>().example()->button("worked")->click();
    view.settle();
    REQUIRE(view.model().stepCount() == 4);
    view.model().move(2);
    const NumberTable& table = *view.find<SoftmaxPanel>().table();
    REQUIRE(table.rowCount() == 2);
    CHECK(table.item(0, 1)->text() == "3.000");
    CHECK(table.item(0, 4)->text() == "1.135");
    CHECK(table.item(1, 2)->text() == "5.000");
    CHECK(table.item(1, 3)->text() == "0.1353");
    CHECK(table.item(1, 4)->text() == "1.203");
    QString all;
    for (const EquationLabel* line : view.find<FormulaPanel>().lines()) {
        all += line->isHidden() ? QString() : line->plainText() + '\n';
    }
    CHECK(all.contains("1.2034"));  // ℓ
    CHECK(all.contains("1.7185"));  // O
    // The other orders of the same numbers.
    view.find<AttentionBar>().algorithm()->button("flash2")->click();
    view.settle();
    view.model().move(1);
    CHECK(view.model().step()->finishes);
    CHECK(std::abs(view.model().trace()->result.output(0, 0) - 1.718495) < 5e-7);
    view.find<AttentionBar>().algorithm()->button("standard")->click();
    view.settle();
    CHECK(view.model().stepCount() == 6);
    CHECK(view.find<TrafficPanel>().factor().isEmpty());
}

TEST_CASE("attention: a causal mask skips tiles, blocks of FlashAttention-2 are chosen") {
    AttentionWindow view;
    view.play(AttentionAlgorithm::Flash2, {128, 16, 4096}, true);
    CHECK_FALSE(view.find<SizeForm>().block()->isHidden());
    view.find<SizeForm>().block()->button("16")->click();
    view.settle();
    CHECK(view.model().stepCount() == 36);
    CHECK(view.find<SizeForm>().facts().contains("36"));
    view.model().chooseTile(0, 7);
    CHECK(view.find<TileGrid>().describe().contains("skipped"));
    CHECK(view.model().followed() == nullptr);
    view.find<SizeForm>().causal()->click();
    view.settle();
    CHECK(view.model().stepCount() == 64);
}

TEST_CASE("attention: what cannot be kept says so, and other sizes play again") {
    AttentionWindow view;
    view.play(AttentionAlgorithm::Flash1, {2048, 64, 64});
    REQUIRE(view.model().error().has_value());
    CHECK(view.model().trace() == nullptr);
    CHECK(view.model().stepCount() == 0);
    CHECK(view.find<TileGrid>().copyText().isEmpty());
    view.play(AttentionAlgorithm::Flash1, {64, 8, 512});
    CHECK_FALSE(view.model().error().has_value());
    CHECK(view.model().stepCount() == 32);
}

TEST_CASE("attention: state is saved and restored, the picture exported") {
    AttentionWindow view;
    view.play(AttentionAlgorithm::Flash2, {256, 32, 8192}, true);
    view.model().setStep(5);
    const QJsonObject state = view.window->saveViews();
    view.play(AttentionAlgorithm::Standard, {64, 8, 512});
    view.window->restoreViews(state);
    view.settle();
    CHECK(view.model().settings().algorithm == AttentionAlgorithm::Flash2);
    CHECK(view.model().settings().causal);
    CHECK(view.model().settings().size == AttentionSize{256, 32, 8192});
    CHECK(view.model().stepIndex() == 5);
    WorkspacePage* page = view.window->workspaces().page();
    REQUIRE(page != nullptr);
    REQUIRE(page->canExport());
    const QImage picture = renderView(*page);
    CHECK(!picture.isNull());
    CHECK(picture.text("Title") == "Attention");
    const auto folder = test::scratchDir();
    for (const char* name : {"attention.svg", "attention.tsv"}) {
        const QString path = QString::fromStdString((folder / name).string());
        QString problem;
        CHECK(exportView(*page, path, {}, &problem));
        CHECK(problem.isEmpty());
    }
}

TEST_CASE("attention: every control has a name, small windows and large type hold") {
    for (const auto& [size, font] :
         {std::pair(QSize(1280, 720), 1.0), std::pair(QSize(1280, 720), 2.0)}) {
        AttentionWindow view(size, font);
        for (const QWidget* widget : view.window->workspaces().page()->findChildren<QWidget*>()) {
            if (widget->focusPolicy() != Qt::NoFocus && widget->isVisible() &&
                qobject_cast<const QAbstractButton*>(widget) == nullptr) {
                CAPTURE(widget->metaObject()->className());
                const bool named = !widget->accessibleName().isEmpty() ||
                                   (widget->parentWidget() != nullptr &&
                                    !widget->parentWidget()->accessibleName().isEmpty());
                CHECK(named);
            }
        }
        const TileGrid& grid = view.find<TileGrid>();
        CHECK(grid.width() >= 300);
        CHECK(grid.layOut(grid.rect()).cells.width() >= 100);
        CHECK(view.find<TrafficPanel>().isVisible());
    }
}

TEST_CASE("attention: Tab goes from the transport to the traffic, as the page reads") {
    AttentionWindow view;
    view.window->activateWindow();
    AttentionBar& bar = view.find<AttentionBar>();
    SizeForm& sizes = view.find<SizeForm>();
    const std::vector<const QWidget*> order{bar.slider(),
                                            bar.algorithm(),
                                            sizes.example(),
                                            sizes.tokens(),
                                            sizes.dim(),
                                            sizes.memory(),
                                            sizes.causal(),
                                            &view.find<TileGrid>(),
                                            view.find<SoftmaxPanel>().rowField(),
                                            view.find<SoftmaxPanel>().table(),
                                            &view.find<TrafficPanel>()};
    bar.slider()->setFocus();
    std::size_t reached = 0;
    constexpr int kMostSteps = 60;
    for (int step = 0; step < kMostSteps && reached + 1 < order.size(); ++step) {
        view.key(Qt::Key_Tab);
        const QWidget* focus = QApplication::focusWidget();
        REQUIRE(focus != nullptr);
        for (std::size_t k = 0; k < order.size(); ++k) {
            if (focus == order[k] || order[k]->isAncestorOf(focus)) {
                CAPTURE(k, reached);
                CHECK((k == reached || k == reached + 1));
                reached = k;
            }
        }
    }
    CHECK(reached + 1 == order.size());
}
