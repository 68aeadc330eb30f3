// SPDX-License-Identifier: GPL-3.0-or-later
// The Memory workspace: the bars' numbers, formats, sources, state.
#include "app/plot/export.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/help.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/options.hpp"
#include "app/shell/workspaces.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/memory/byte_bars.hpp"
#include "app/workspaces/memory/memory_form.hpp"
#include "app/workspaces/memory/memory_model.hpp"
#include "app/workspaces/memory/side_panels.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"

#include <QApplication>
#include <QComboBox>
#include <QJsonDocument>
#include <QLabel>
#include <QLineEdit>

#include <filesystem>
#include <fstream>

using namespace loupe;
using namespace loupe::app;

namespace {

struct MemoryWindow {
    explicit MemoryWindow(const QString& path = {}, QSize size = QSize(1600, 900)) {
        appearance.start("light", 1);
        window = std::make_unique<MainWindow>(
            appearance, QString::fromStdString((test::scratchDir() / "running").string()));
        Options options;
        if (!path.isEmpty()) {
            options.paths << path;
        }
        options.workspace = "memory";
        options.size = size;
        options.screenshot = "unused";
        window->start(options);
        window->show();
        if (!path.isEmpty()) {
            REQUIRE(QTest::qWaitFor([&] { return window->document().source() != nullptr; },
                                    test::kPatience));
        }
        settle();
    }
    ~MemoryWindow() { applyTheme(ThemeId::Light, 1); }
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
    MemoryModel& model() { return find<MemoryModel>(); }
    void choose(QComboBox& combo, const QString& id) {
        const int index = combo.findData(id);
        REQUIRE(index >= 0);
        combo.setCurrentIndex(index);
        emit combo.activated(index);
    }
    std::size_t device(const char* id) {
        for (std::size_t k = 0; k < allHardware().size(); ++k) {
            if (allHardware()[k].id == id) {
                return k;
            }
        }
        FAIL("no such device");
        return 0;
    }
    Appearance appearance;
    std::unique_ptr<MainWindow> window;
};

constexpr std::int64_t kSevenB = 6738415616;
constexpr std::int64_t kTwoGiB = 2147483648;

}  // namespace

TEST_CASE("memory: begins with Llama 2 7B and says what fits") {
    MemoryWindow view;
    CHECK(view.window->workspaces().current() == "memory");
    REQUIRE(view.model().estimate().has_value());
    const MemoryEstimate& estimate = *view.model().estimate();
    CHECK(estimate.weights.codes == 2 * kSevenB);
    CHECK(estimate.kvCache == kTwoGiB);
    const ByteBars& bars = view.find<ByteBars>();
    CHECK(bars.verdict(view.device("h100_sxm")).startsWith("fits"));
    CHECK(view.find<QStatusBar>().isVisible());
    CHECK(bars.accessibleDescription().contains("H100"));
    CHECK(!helpText("memory").isEmpty());
    // A prompt of 32 768 tokens with standard attention no longer fits the smallest.
    MemorySettings settings = view.model().settings();
    settings.context = 32768;
    settings.prefill = true;
    settings.keepsScores = true;
    view.model().change(settings);
    CHECK(view.model().estimate()->activations->scores == 64 * 1073741824.0);
    CHECK(bars.verdict(view.device("t4")).contains("needs"));
    CHECK(bars.verdict(view.device("t4")).contains("7"));
}

TEST_CASE("memory: model, parameters and format by their controls") {
    MemoryWindow view;
    MemoryForm& form = view.find<MemoryForm>();
    view.choose(*form.models(), "llama-3-8b");
    CHECK(view.model().estimate()->parameters == 8030261248);
    CHECK(view.model().estimate()->kvCache == 4096 * 131072);
    view.choose(*form.formats(), "int4_g128");
    CHECK(view.model().estimate()->weights.sides > 0);
    const std::int64_t all = view.model().estimate()->weights.total();
    form.embeddings()->click();
    CHECK(view.model().estimate()->weights.total() > all);
    form.kvBits()->button("8")->click();
    CHECK(view.model().estimate()->kvCache == 4096 * 131072 / 2);
    view.choose(*form.models(), "parameters");
    CHECK_FALSE(view.model().estimate()->kvCache.has_value());
    CHECK_FALSE(form.context()->isEnabled());
    form.parameters()->setText("405e9");
    emit form.parameters()->editingFinished();
    CHECK(view.model().settings().parameters == 405000000000);
    form.parameters()->setText("many");
    emit form.parameters()->editingFinished();
    CHECK(view.model().settings().parameters == 405000000000);
    CHECK(toAscii(form.parameters()->text()) == "405000000000");
    view.choose(*form.formats(), "int8_row");
    CHECK_FALSE(view.model().estimate().has_value());
    CHECK(view.model().problem().contains("rows"));
}

TEST_CASE("memory: the table of formats chooses, the device's tab names its sources") {
    MemoryWindow view;
    MemoryTabs& tabs = view.find<MemoryTabs>();
    NumberTable& table = *tabs.formats();
    REQUIRE(table.rowCount() == static_cast<int>(allWeightFormats().size()));
    int row = -1;
    for (int k = 0; k < table.rowCount(); ++k) {
        if (table.item(k, 0)->data(Qt::UserRole).toString() == "q4_0") {
            row = k;
        }
    }
    REQUIRE(row >= 0);
    CHECK(table.item(row, 1)->text().startsWith("4.50"));
    CHECK(table.horizontalHeaderItem(2)->text() == "GB");
    table.setFocus();
    table.setCurrentCell(row, 0);
    CHECK(view.model().settings().format == "q4_0");
    ByteBars& bars = view.find<ByteBars>();
    bars.setFocus();
    for (std::size_t k = 0; k < allHardware().size(); ++k) {
        view.model().chooseDevice(k);
        const QString text = tabs.deviceText()->text();
        for (const HardwareFigure& figure : allHardware()[k].figures) {
            const QString source = QString::fromUtf8(figure.source.data(),
                                                     static_cast<qsizetype>(figure.source.size()));
            CHECK(text.contains(source.toHtmlEscaped()));
        }
        CHECK(text.contains("2026-11-22"));
    }
    view.model().chooseDevice(0);
    QTest::keyClick(&bars, Qt::Key_Down);
    CHECK(view.model().device() == 1);
    QTest::keyClick(&bars, Qt::Key_End);
    CHECK(view.model().device() == allHardware().size() - 1);
}

TEST_CASE("memory: an open checkpoint is counted by its tensors and its configuration") {
    const auto folder = test::scratchDir() / "memory-model";
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(test::goldenDir() / "io" / "types.safetensors",
                               folder / "model.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    std::ofstream(folder / "config.json")
        << R"({"model_type":"llama","hidden_size":8,"num_hidden_layers":2,"num_attention_heads":4,
               "num_key_value_heads":2})";
    MemoryWindow view(QString::fromStdString(folder.string()));
    REQUIRE(QTest::qWaitFor([&] { return view.model().estimate().has_value(); }, test::kPatience));
    CHECK(view.model().settings().model == "open");
    CHECK(view.model().estimate()->parameters == 120);
    CHECK(view.model().estimate()->weights.codes == 411);
    CHECK(view.model().estimate()->kvCache == 2 * 2 * 2 * 2 * 2 * 4096);
    // A small model is counted in small units: no column of zeros.
    const NumberTable& table = *view.find<MemoryTabs>().formats();
    CHECK(table.horizontalHeaderItem(2)->text() == "kB");
    CHECK(table.horizontalHeaderItem(3)->text() == "KiB");
    bool found = false;
    for (int k = 0; k < table.rowCount(); ++k) {
        if (table.item(k, 0)->data(Qt::UserRole).toString() == "fp32") {
            CHECK(table.item(k, 2)->text() == "0.480");
            found = true;
        }
    }
    CHECK(found);
    CHECK(view.find<MemoryTabs>().deviceText()->text().contains("ns"));
}

TEST_CASE("memory: state, export and small windows") {
    MemoryWindow view({}, QSize(1280, 720));
    MemorySettings settings = view.model().settings();
    settings.model = "deepseek-v3";
    settings.context = 131072;
    settings.format = "fp8_e4m3";
    view.model().change(settings);
    view.model().chooseDevice(0);
    const QJsonObject state = view.window->saveViews();
    view.model().change(MemorySettings{});
    view.model().chooseDevice(3);
    view.window->restoreViews(state);
    CHECK(view.model().settings() == settings);
    CHECK(view.model().device() == 0);
    CHECK(view.model().estimate()->kvCache == 131072 * std::int64_t{70272});
    CHECK_FALSE(view.model().secondsPerToken(allHardware().back()).has_value());
    WorkspacePage* page = view.window->workspaces().page();
    REQUIRE(page->canExport());
    CHECK(!renderView(*page).isNull());
    const QString text = page->copyText();
    CHECK(text.startsWith("device\t"));
    CHECK(text.contains("9210691584"));
    CHECK(view.find<MemoryTabs>().isVisible());
    CHECK(view.find<ByteBars>().width() > 400);
}

TEST_CASE("memory: the window shows what loupe prints") {
    if (!std::filesystem::exists(test::binDir() / "loupe")) {
        WARN("skipped: loupe is not built");
        return;
    }
    MemoryWindow view;
    for (const char* id : {"llama-2-7b", "deepseek-v3"}) {
        for (const char* format : {"bf16", "q4_k", "int8_row", "nvfp4"}) {
            CAPTURE(id, format);
            MemorySettings settings;
            settings.model = QLatin1String(id);
            settings.format = QLatin1String(format);
            settings.context = 1000;
            settings.batch = 3;
            view.model().change(settings);
            REQUIRE(view.model().estimate().has_value());
            const test::ProcessResult printed = test::runProgram(
                "loupe",
                {"memory", id, "--format", format, "--context", "1000", "--batch", "3", "--json"});
            REQUIRE(printed.exitCode == 0);
            const QJsonObject document =
                QJsonDocument::fromJson(QByteArray::fromStdString(printed.out)).object();
            const MemoryEstimate& shown = *view.model().estimate();
            CHECK(document["weights_bytes"].toInteger() == shown.weights.codes);
            CHECK(document["scales_bytes"].toInteger() == shown.weights.sides);
            CHECK(document["kv_cache_bytes"].toInteger() == *shown.kvCache);
            CHECK(document["total_bytes"].toInteger() == shown.resident());
            CHECK(document["activations_bytes"].toInteger() == shown.activationPeak());
        }
    }
}

TEST_CASE("memory: Tab goes from the form over the bars to the table") {
    MemoryWindow view;
    MemoryForm& form = view.find<MemoryForm>();
    const std::vector<const QWidget*> order{form.models(),
                                            form.formats(),
                                            form.context(),
                                            form.batch(),
                                            form.kvBits(),
                                            &view.find<ByteBars>(),
                                            &view.find<MemoryTabs>()};
    form.models()->setFocus();
    std::size_t reached = 0;
    constexpr int kMostSteps = 40;
    for (int step = 0; step < kMostSteps && reached + 1 < order.size(); ++step) {
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
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
