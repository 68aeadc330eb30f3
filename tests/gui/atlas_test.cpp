// SPDX-License-Identifier: GPL-3.0-or-later
// The Atlas: where tensors stand, what a metric shows of them, thresholds, one's own figures.
#include "app/document/row_sample.hpp"
#include "app/document/tensor_queue.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/plot/range_legend.hpp"
#include "app/shell/help.hpp"
#include "app/widgets/messages.hpp"
#include "app/workspaces/atlas/atlas_pane.hpp"
#include "app/workspaces/atlas/atlas_picture.hpp"
#include "app/workspaces/atlas/flag_list.hpp"
#include "app/workspaces/atlas/metric_panel.hpp"
#include "core/base/rng.hpp"
#include "core/io/safetensors_writer.hpp"
#include "tests/gui/atlas_fixture.hpp"
#include "tests/support/timing.hpp"

#include <QAbstractItemModelTester>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QSlider>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <span>

using namespace loupe;
using namespace loupe::app;

TEST_CASE("atlas: tensors by stack, layer and role; experts share a cell") {
    std::vector<TensorInfo> tensors;
    for (const char* name : {"model.embed_tokens.weight",
                             "model.layers.0.self_attn.q_proj.weight",
                             "model.layers.0.mlp.experts.0.up_proj.weight",
                             "model.layers.0.mlp.experts.1.up_proj.weight",
                             "model.layers.2.self_attn.q_proj.weight",
                             "model.norm.weight",
                             "odd.name"}) {
        TensorInfo tensor;
        tensor.name = name;
        tensors.push_back(tensor);
    }
    const AtlasLayout layout = makeAtlasLayout(tensors);
    REQUIRE(layout.sections.size() == 2);
    const AtlasSection& stack = layout.sections[0];
    CHECK(stack.title == "model.layers");
    CHECK(stack.layers == std::vector<std::int64_t>{0, 2});
    REQUIRE(stack.roles == std::vector<QString>{"q", "expert up"});
    CHECK(layout.in(static_cast<std::size_t>(stack.cell(0, 0))).size() == 1);
    const auto experts = layout.in(static_cast<std::size_t>(stack.cell(1, 0)));
    CHECK(std::vector<std::uint32_t>(experts.begin(), experts.end()) ==
          std::vector<std::uint32_t>{2, 3});
    CHECK(stack.cell(1, 1) == -1);
    CHECK(layout.sections[1].outer);
    CHECK(layout.sections[1].roles ==
          std::vector<QString>{"final norm", "token embedding", "odd.name"});
    CHECK(makeAtlasLayout({}).cells() == 0);
}

TEST_CASE("atlas: names that only look like layers do not make a grid of holes") {
    std::vector<TensorInfo> tensors(3000);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        tensors[i].name = "t." + std::to_string(i) + ".own" + std::to_string(i) + ".weight";
    }
    const AtlasLayout layout = makeAtlasLayout(tensors);
    REQUIRE(layout.sections.size() == 1);
    CHECK(layout.sections[0].outer);
    CHECK(layout.cells() == 3000);
}

TEST_CASE("atlas: a planted outlier stands out in picture, read-out and list") {
    test::AtlasFixture atlas(4);
    atlas.model.chooseMetric("absmax");
    atlas.settle();
    const AtlasValues& values = atlas.model.values();
    CHECK(values.known == atlas.tensorCount());
    const std::size_t planted = atlas.tensor("model.layers.2.mlp.down_proj.weight");
    CHECK(values.tensor[planted] == 64.0);
    const auto cell = static_cast<std::size_t>(atlas.model.layout()->cellOf[planted]);
    AtlasPicture& picture = atlas.pane->picture();
    const QRectF rect = picture.cellRect(cell);
    REQUIRE_FALSE(rect.isEmpty());
    const QImage image = picture.viewport()->grab().toImage();
    const auto at = [&](const QRectF& where) {
        // Beside the number that stands in the middle.
        return image.pixelColor(
            QPoint(static_cast<int>(where.left()) + 4, static_cast<int>(where.top()) + 4));
    };
    CHECK(at(rect) == QColor(picture.colors().color(64.0F)));
    const std::size_t other = atlas.tensor("model.layers.1.mlp.down_proj.weight");
    const QRectF beside =
        picture.cellRect(static_cast<std::size_t>(atlas.model.layout()->cellOf[other]));
    CHECK(at(beside) != at(rect));
    CHECK(picture.cellAt(rect.center()) == cell);
    CHECK(picture.sentence(cell).contains("layer 2, down"));
    CHECK(picture.sentence(cell).contains("64"));
    // Below the threshold of 10 there is everything but the planted one.
    atlas.model.setThreshold({.on = true, .above = true, .value = 10});
    FlagModel& list = atlas.pane->flags().list();
    REQUIRE(QTest::qWaitFor([&] { return list.rowCount() == 1; }, test::kPatience));
    CHECK(list.tensor(0) == planted);
    CHECK(atlas.model.isCellFlagged(cell));
    CHECK(list.copyText().contains("model.layers.2.mlp.down_proj.weight"));
    CHECK(list.copyText().contains("\texact\n"));
    const QImage flagged = picture.viewport()->grab().toImage();
    CHECK(flagged != image);
    QAbstractItemModelTester tester(&list, QAbstractItemModelTester::FailureReportingMode::Fatal);
    atlas.model.setThreshold({});
    REQUIRE(QTest::qWaitFor(
        [&] { return list.rowCount() == static_cast<int>(atlas.tensorCount()); }, test::kPatience));
    CHECK(list.tensor(0) == planted);  // the worst on top
    const QTreeView& table = atlas.pane->flags().table();
    for (const int width : {1700, 1000, 1280}) {
        atlas.pane->resize(width, 720);
        QTest::qWait(20);
        CAPTURE(width);
        CHECK(table.header()->length() <= table.viewport()->width() + 2);
    }
}

TEST_CASE("atlas: tensors of one value are listed by layer as a number") {
    test::AtlasFixture atlas(12);
    atlas.model.chooseMetric("bytes");
    atlas.settle();
    FlagModel& list = atlas.pane->flags().list();
    REQUIRE(list.rowCount() == static_cast<int>(atlas.tensorCount()));
    const AtlasValues& values = atlas.model.values();
    int compared = 0;
    for (int row = 1; row < list.rowCount(); ++row) {
        const std::size_t a = list.tensor(row - 1);
        const std::size_t b = list.tensor(row);
        if (values.tensor[a] == values.tensor[b]) {
            const auto& places = atlas.model.layout()->places;
            if (places[a].stack == places[b].stack) {
                CHECK(places[a].layer <= places[b].layer);
                ++compared;
            }
        }
    }
    CHECK(compared > 20);
}

TEST_CASE("atlas: the threshold's slider and field mean the same") {
    test::AtlasFixture atlas(3);
    atlas.model.chooseMetric("absmax");
    atlas.settle();
    ThresholdBar& bar = atlas.pane->flags().threshold();
    bar.slider()->setValue(1000);
    CHECK(atlas.model.threshold().on);
    CHECK(std::abs(atlas.model.threshold().value / atlas.model.values().most - 1) < 1e-9);
    bar.field()->selectAll();
    QTest::keyClicks(bar.field(), "12.5");
    QTest::keyClick(bar.field(), Qt::Key_Return);
    CHECK(atlas.model.threshold().value == 12.5);
    bar.field()->selectAll();
    QTest::keyClicks(bar.field(), "twelve");
    QTest::keyClick(bar.field(), Qt::Key_Return);
    CHECK(atlas.model.threshold().value == 12.5);
    bool told = false;
    for (const QLabel* label : bar.findChildren<QLabel*>()) {
        told = told || (!label->isHidden() && label->text().contains("twelve"));
    }
    CHECK(told);
}

TEST_CASE("atlas: a scheme over all matrices, paused, resumed, and kept") {
    test::AtlasFixture atlas(6, "absmax:bits=4", "absmax:bits=3");
    atlas.document.jobs().hold({});  // so that nothing is done before the pause
    atlas.model.chooseMetric("A.sqnr");
    REQUIRE(atlas.model.computing());
    atlas.model.pause();
    atlas.document.jobs().release();
    CHECK_FALSE(atlas.model.computing());
    CHECK(atlas.model.paused());
    CHECK(atlas.model.values().pending > 0);
    const std::size_t before = atlas.model.values().known;
    QTest::qWait(150);
    CHECK(atlas.model.values().known == before);  // nothing goes on behind one's back
    CHECK(atlas.pane->chooser().pauseButton()->isVisible());
    QTest::mouseClick(atlas.pane->chooser().pauseButton(), Qt::LeftButton);
    atlas.settle();
    const AtlasValues& values = atlas.model.values();
    CHECK(values.pending == 0);
    CHECK(values.failed == 0);
    const std::size_t q = atlas.tensor("model.layers.1.self_attn.q_proj.weight");
    const std::size_t norm = atlas.tensor("model.layers.1.input_layernorm.weight");
    CHECK(values.tensorState[norm] == AtlasValues::kNone);  // norms are never quantized
    const double a = values.tensor[q];
    const Result<std::shared_ptr<const RowSource>> rows = atlas.model.source()->matrix(q);
    REQUIRE(rows.has_value());
    SchemeInput input;
    input.weights = *rows;
    const auto direct = applyScheme(*parseScheme("absmax:bits=4"), input);
    REQUIRE(direct.has_value());
    CHECK(a == (*direct)->metrics.sqnrDb);
    // Another metric of the same scheme is there at once, and so is the scheme after B.
    atlas.model.chooseMetric("A.mse");
    CHECK_FALSE(atlas.model.computing());
    CHECK(atlas.model.values().tensor[q] == (*direct)->metrics.mse);
    atlas.model.chooseMetric("B.sqnr");
    atlas.settle();
    CHECK(atlas.model.values().tensor[q] < a);
    atlas.model.chooseMetric("A.sqnr");
    CHECK_FALSE(atlas.model.computing());
    CHECK(atlas.model.values().tensor[q] == a);
}

TEST_CASE("atlas: a tensor that a scheme cannot take says why") {
    test::AtlasFixture atlas(2, "absmax:bits=4", {}, true);
    atlas.model.chooseMetric("A.sqnr");
    atlas.settle();
    const std::size_t sick = atlas.tensor("model.layers.0.self_attn.q_proj.weight");
    CHECK(atlas.model.values().tensorState[sick] == AtlasValues::kFailed);
    CHECK(atlas.model.failure(sick).contains("row 0"));
    CHECK(atlas.model.values().failed == 1);
    atlas.model.chooseMetric("nan");
    atlas.settle();
    CHECK(atlas.model.values().tensor[sick] == 1);
    atlas.model.chooseMetric("B.sqnr");
    CHECK_FALSE(atlas.model.problem().isEmpty());
}

TEST_CASE("atlas: one's own figures, and what is wrong with each line") {
    const auto find = [](std::string_view name) -> std::optional<std::size_t> {
        return name == "a"                 ? std::optional<std::size_t>(0)
               : name == "b, with a comma" ? std::optional<std::size_t>(1)
                                           : std::nullopt;
    };
    const OwnTable good =
        readOwnTable("tensor,ppl,kl\na,1.5,-2e3\n\"b, with a comma\",inf,\n", 2, find);
    REQUIRE(good.columns.size() == 2);
    CHECK(good.problems == 0);
    CHECK(good.rows == 2);
    CHECK(good.columns[0].title == "ppl");
    CHECK(good.columns[0].values[0] == 1.5);
    CHECK(std::isinf(good.columns[0].values[1]));
    CHECK(good.columns[1].values[0] == -2000);
    CHECK(good.columns[1].known[1] == 0);
    const OwnTable bad = readOwnTable("a\t1\nz\t2\na\t3\nb, with a comma\tx\na\n", 2, find);
    REQUIRE(bad.problems == 4);
    CHECK(bad.rows == 1);
    CHECK(bad.told[0] == "line 2: no tensor is named \"z\"");
    CHECK(bad.told[1] == "line 3: \"a\" again: line 1 already has it");
    CHECK(bad.told[2] == "line 4: expected a number for value, found \"x\"");
    CHECK(bad.told[3] == "line 5: expected 2 fields, found 1");
    CHECK(readOwnTable("", 2, find).problems == 1);
    CHECK(readOwnTable("justonefield\n", 2, find).problems == 1);
    CHECK(readOwnTable("\xef\xbb\xbftensor;v\r\na;7\r\n", 2, find).columns[0].values[0] == 7);

    test::AtlasFixture atlas(2);
    const auto path = test::scratchDir() / "own.csv";
    std::ofstream(path) << "tensor,impact\nmodel.norm.weight,5\nno.such.tensor,6\n";
    atlas.pane->importOwn(QString::fromStdString(path.string()));
    REQUIRE(
        QTest::qWaitFor([&] { return atlas.model.metric().id == "own.impact"; }, test::kPatience));
    CHECK(atlas.model.values().tensor[atlas.tensor("model.norm.weight")] == 5);
    CHECK(atlas.model.values().known == 1);
    CHECK(atlas.pane->message().isShowing());
    CHECK(atlas.pane->message().why().contains("line 3: no tensor is named \"no.such.tensor\""));
    atlas.pane->importOwn("/no/such/file.csv");
    REQUIRE(QTest::qWaitFor([&] { return atlas.pane->message().what().contains("cannot be read"); },
                            test::kPatience));
    CHECK(atlas.model.metric().id == "own.impact");
}

TEST_CASE("atlas: keys walk over the cells and open a tensor") {
    test::AtlasFixture atlas(3);
    AtlasPicture& picture = atlas.pane->picture();
    picture.setFocus();
    QTest::keyClick(&picture, Qt::Key_Right);
    REQUIRE(atlas.model.selected().has_value());
    CHECK(*atlas.model.selected() == atlas.tensor("model.layers.0.self_attn.q_proj.weight"));
    QTest::keyClick(&picture, Qt::Key_Right);
    CHECK(*atlas.model.selected() == atlas.tensor("model.layers.1.self_attn.q_proj.weight"));
    QTest::keyClick(&picture, Qt::Key_Down);
    CHECK(*atlas.model.selected() == atlas.tensor("model.layers.1.mlp.down_proj.weight"));
    QTest::keyClick(&picture, Qt::Key_Down);
    QTest::keyClick(&picture, Qt::Key_Down);
    CHECK(*atlas.model.selected() == atlas.tensor("model.norm.weight"));
    CHECK(picture.accessibleDescription().contains("final norm"));
    QTest::keyClick(&picture, Qt::Key_Return);
    CHECK(atlas.document.spec().tensor == "model.norm.weight");
    CHECK(!helpText("atlas").isEmpty());
    // A session brings metric, threshold and selection back.
    atlas.model.chooseMetric("std");
    atlas.model.setThreshold({.on = true, .above = false, .value = 0.25});
    const QJsonObject state = atlas.model.save();
    atlas.model.restore({});
    CHECK(atlas.model.metric().id == "bytes");
    CHECK_FALSE(atlas.model.selected().has_value());
    atlas.model.restore(state);
    CHECK(atlas.model.metric().id == "std");
    CHECK(atlas.model.threshold() == AtlasThreshold{.on = true, .above = false, .value = 0.25});
    CHECK(*atlas.model.selected() == atlas.tensor("model.norm.weight"));
}

TEST_CASE("atlas: large tensors are estimated from rows first, and then read whole") {
    constexpr std::int64_t kSide = 640;
    constexpr int kLayers = 24;
    app::applyTheme(app::ThemeId::Light, 1);
    const auto path = test::scratchDir() / "sampled.safetensors";
    std::vector<float> values(static_cast<std::size_t>(kSide * kSide));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(randomNormal(1, i));
    }
    SafetensorsWriter writer;
    for (int layer = 0; layer < kLayers; ++layer) {
        writer.add("model.layers." + std::to_string(layer) + ".mlp.down_proj.weight",
                   "fp32",
                   {kSide, kSide},
                   [&](const ByteSink& sink) {
                       return sink(std::as_bytes(std::span<const float>(values)));
                   });
    }
    REQUIRE(writer.write(path).has_value());
    Document document;
    AtlasModel model(document);
    QObject::connect(&document, &Document::changed, &model, &AtlasModel::refresh);
    test::openAndWait(document, QString::fromStdString(path.string()));
    AtlasPane pane(model);
    pane.resize(1280, 720);
    pane.show();
    REQUIRE(QTest::qWaitFor([&] { return model.layout() != nullptr; }, test::kPatience));
    document.edit("scheme", [](ExperimentSpec& spec) { spec.schemeA = "absmax:bits=4,group=128,clip=mse"; });
    // Stopped as soon as there are estimates: none is lost, and none counts as exact.
    std::size_t mostEstimates = 0;
    std::vector<double> estimates;
    QObject::connect(&model, &AtlasModel::valuesChanged, &model, [&] {
        const AtlasValues& now = model.values();
        mostEstimates = std::max(mostEstimates, now.sampled);
        CHECK(now.known + now.sampled + now.pending + now.failed == kLayers);
        for (std::size_t i = 0; i < now.tensor.size() && estimates.empty(); ++i) {
            if (now.tensorState[i] == AtlasValues::kSampled) {
                estimates.push_back(now.tensor[i]);
                CHECK(model.valueText(i).startsWith(QChar(0x2248)));
                CHECK(model.sampleText(i).contains("of 640 rows"));
                const auto cell = static_cast<std::size_t>(model.layout()->cellOf[i]);
                CHECK(pane.picture().sentence(cell).contains("of 640 rows"));
                model.pause();
            }
        }
    });
    for (const char* metric : {"std", "A.sqnr"}) {
        CAPTURE(metric);
        mostEstimates = 0;
        estimates.clear();
        model.chooseMetric(metric);
        REQUIRE(QTest::qWaitFor([&] { return !model.busy(); }, test::kPatience));
        if (mostEstimates == 0) {
            WARN("all exact before the window's thread came to look: " << metric);
        } else {
            CHECK(model.paused());
            CHECK(model.values().known < kLayers);
            CHECK(pane.chooser().pauseButton()->isVisible());
            QTest::mouseClick(pane.chooser().pauseButton(), Qt::LeftButton);
            REQUIRE(QTest::qWaitFor([&] { return !model.busy(); }, test::kPatience));
        }
        CHECK(model.values().known == kLayers);
        CHECK(model.values().sampled == 0);
        CHECK_FALSE(model.paused());
        const double exact = model.values().tensor[0];
        CHECK(model.sampleText(0).isEmpty());
        for (const double estimate : estimates) {  // near, and not the very number
            CHECK(std::abs(estimate / exact - 1) < 0.05);
            CHECK(estimate != exact);
        }
    }
    // Rare events are never estimated.
    for (const AtlasMetric& metric : builtInMetrics()) {
        if (metric.kind == AtlasMetric::Kind::Stats && metric.isCount) {
            CHECK(metric.estimate == AtlasMetric::Estimate::None);
        }
    }
}

TEST_CASE("atlas: a sample of rows is spread over the matrix, and the same each time") {
    constexpr std::int64_t kRows = 4096;
    constexpr std::int64_t kCols = 256;
    std::vector<float> values(static_cast<std::size_t>(kRows * kCols));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(i / kCols);
    }
    const std::shared_ptr<const RowSource> matrix = makeRowSource(kRows, kCols, values);
    for (const bool transposed : {false, true}) {
        CAPTURE(transposed);
        const auto sample = sampleRows(*matrix, transposed);
        REQUIRE(sample.has_value());
        CHECK((*sample)->rows() * kCols == kSampledWeights);
        std::vector<float> taken(static_cast<std::size_t>((*sample)->rows() * kCols));
        REQUIRE((*sample)->read(0, (*sample)->rows(), taken.data()).has_value());
        const auto again = sampleRows(*matrix, transposed);
        std::vector<float> same(taken.size());
        REQUIRE((*again)->read(0, (*again)->rows(), same.data()).has_value());
        CHECK(taken == same);
        const std::int64_t run = transposed ? 16 : 1;
        for (std::int64_t r = 0; r < (*sample)->rows(); ++r) {
            // One run from each stretch of the matrix, whole rows of it.
            const float* row = taken.data() + r * kCols;
            const std::int64_t stretch = r / run;
            const std::int64_t stretches = (*sample)->rows() / run;
            CHECK(row[0] >= static_cast<float>(kRows * stretch / stretches));
            CHECK(row[0] < static_cast<float>(kRows * (stretch + 1) / stretches));
            CHECK(row[0] == row[kCols - 1]);
        }
    }
}

TEST_CASE("atlas: what is preferred comes next, and each tensor once") {
    TensorQueue queue;
    queue.assign({0, 1, 2, 3, 4, 5});
    CHECK(queue.next() == 0U);
    queue.prefer(std::vector<std::size_t>{4, 0, 4, 2, 9});
    std::vector<std::size_t> left;
    while (const std::optional<std::size_t> next = queue.next()) {
        left.push_back(*next);
    }
    CHECK(left == std::vector<std::size_t>{4, 2, 1, 3, 5});
    CHECK_FALSE(queue.next().has_value());
}

namespace {

/// Milliseconds that this thread itself has computed.
double ownMs() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

/// A safetensors file of many empty-handed tensors: 16 bytes each.
std::string manyTensors(std::size_t count) {
    const auto path = test::scratchDir() / "many.safetensors";
    static const std::vector<float> values{1, -2, 3, 0.5F};
    SafetensorsWriter writer;
    for (std::size_t i = 0; i < count; ++i) {
        static constexpr const char* kRoles[] = {".gate_proj.weight", ".up_proj.weight"};
        writer.add("model.layers." + std::to_string(i % 64) + ".mlp.experts." +
                       std::to_string(i / 128) + kRoles[i / 64 % 2],
                   "fp32",
                   {2, 2},
                   [](const ByteSink& sink) {
                       return sink(std::as_bytes(std::span<const float>(values)));
                   });
    }
    REQUIRE(writer.write(path).has_value());
    return path.string();
}

}  // namespace

TEST_CASE("atlas: 100,000 tensors do not hold the window up") {
    constexpr std::size_t kTensors = 100'000;
    constexpr double kFrameMs = 16;
    app::applyTheme(app::ThemeId::Light, 1);
    Document document;
    AtlasModel model(document);
    QObject::connect(&document, &Document::changed, &model, &AtlasModel::refresh);
    test::openAndWait(document, QString::fromStdString(manyTensors(kTensors)));
    AtlasPane pane(model);
    pane.resize(1280, 720);
    pane.show();
    REQUIRE(QTest::qWaitFor([&] { return model.layout() != nullptr; }, test::kPatience));
    CHECK(model.layout()->cells() == 128);
    CHECK(model.values().known == kTensors);
    REQUIRE(QTest::qWaitFor(
        [&] { return pane.flags().list().rowCount() == static_cast<int>(kTensors); },
        test::kPatience));
    QTest::qWait(200);
    double begun = ownMs();
    model.chooseMetric("parameters");
    const double switching = ownMs() - begun;
    begun = ownMs();
    model.setThreshold({.on = true, .above = true, .value = 4});
    pane.flags().list().rebuild();
    const double flagging = ownMs() - begun;
    begun = ownMs();
    pane.picture().viewport()->repaint();
    const double painting = ownMs() - begun;
    REQUIRE(QTest::qWaitFor([&] { return pane.flags().list().flagged() == kTensors; },
                            test::kPatience));
    // Figures of the weights arrive by the thousand, and are taken a little at a time.
    model.chooseMetric("std");
    double longest = 0;
    while (model.values().known < kTensors / 10) {
        begun = ownMs();
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
        longest = std::max(longest, ownMs() - begun);
    }
    WARN("100,000 tensors, milliseconds of the window's own thread: another metric "
         << switching << ", threshold " << flagging << ", painting " << painting
         << ", figures arriving " << longest);
    if (test::judgesTiming()) {
        CHECK(switching < kFrameMs);
        CHECK(flagging < kFrameMs);
        CHECK(painting < kFrameMs);
        CHECK(longest < kFrameMs);
    }
}
