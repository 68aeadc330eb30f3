// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/cell_access.hpp"
#include "app/views/channel_error_view.hpp"
#include "app/views/format_table.hpp"
#include "app/views/histogram_view.hpp"
#include "app/views/outliers_view.hpp"
#include "app/views/weight_view.hpp"
#include "app/widgets/bit_strip.hpp"
#include "core/formats/codec.hpp"
#include "tests/gui/panels_fixture.hpp"
#include "tests/support/paths.hpp"

#include <QAction>
#include <QPainter>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace loupe;
using namespace loupe::app;
using loupe::test::Panels;

namespace {

std::vector<double> allWeights(const Document& document) {
    const auto weights = document.weights();
    std::vector<double> values(static_cast<std::size_t>(weights->rows() * weights->cols()));
    REQUIRE(weights->read(0, weights->rows(), values.data()));
    return values;
}

/// numpy.histogram's counts: the last bin closed, values outside left out.
std::vector<std::uint64_t> countBins(const std::vector<double>& values,
                                     double low,
                                     double high,
                                     std::size_t bins) {
    std::vector<std::uint64_t> counts(bins, 0);
    const auto edge = [&](std::size_t i) {
        return i == bins ? high : low + double(i) * ((high - low) / double(bins));
    };
    for (const double value : values) {
        if (!(value >= low && value <= high)) {
            continue;
        }
        std::size_t bin =
            std::min(bins - 1, std::size_t((value - low) / (high - low) * double(bins)));
        while (bin > 0 && value < edge(bin)) {
            --bin;
        }
        while (bin + 1 < bins && value >= edge(bin + 1)) {
            ++bin;
        }
        ++counts[bin];
    }
    return counts;
}

void checkShownCounts(const std::string& source) {
    CAPTURE(source);
    Panels panels(source);
    const auto view = panels.show<HistogramView>({480, 320});
    REQUIRE(QTest::qWaitFor([&] { return view->shownExactly(); }, 20000));
    const std::vector<double> values = allWeights(panels.document);
    const auto compare = [&] {
        const Histogram& shown = view->shown();
        REQUIRE(!shown.counts.empty());
        const std::vector<std::uint64_t> expected =
            countBins(values, shown.min, shown.max, shown.counts.size());
        CHECK(shown.counts == expected);
    };
    compare();
    std::uint64_t all = 0;
    for (const std::uint64_t count : view->shown().counts) {
        all += count;
    }
    CHECK(all == values.size());
    // A zoom re-bins: the bins become finer and the counts stay exact.
    const double before =
        (view->shown().max - view->shown().min) / double(view->shown().counts.size());
    const auto [low, high] = view->window();
    view->setWindow(low + (high - low) * 0.3, low + (high - low) * 0.5);
    QTest::qWait(30);
    REQUIRE(QTest::qWaitFor([&] { return view->shownExactly(); }, 20000));
    CHECK((view->shown().max - view->shown().min) / double(view->shown().counts.size()) <
          before / 2);
    compare();
}

}  // namespace

TEST_CASE("the histogram shows exact counts at every zoom") {
    checkShownCounts("synthetic:V256");
    checkShownCounts("synthetic:M");
    checkShownCounts("synthetic:student?rows=96&cols=128&dtype=bf16");
    checkShownCounts("synthetic:gaussian?rows=96&cols=128&dtype=fp32");
}

TEST_CASE("the histogram's grid lines stand at the representable values") {
    Panels panels("synthetic:student?rows=64&cols=256&dtype=bf16",
                  "absmax:bits=4,group=128",
                  "zeropoint:bits=4");
    panels.document.cursor().select(Cell{12, 200});
    const auto view = panels.show<HistogramView>({520, 320});
    for (const Side side : {Side::A, Side::B}) {
        const auto result = panels.document.analyses().scheme(side).value;
        REQUIRE(result);
        view->fit();
        view->setWindow(-100, 100);
        const std::vector<Level> expected = result->quantized->levels(12, 200);
        const std::vector<Level> lines = view->gridLines(side);
        CHECK(!expected.empty());
        for (const Level& line : lines) {
            const auto same = [&](const Level& level) {
                return level.code == line.code && level.value == line.value;
            };
            CHECK(std::any_of(expected.begin(), expected.end(), same));
        }
        const auto [low, high] = view->window();
        const auto inside =
            std::count_if(expected.begin(), expected.end(), [&](const Level& level) {
                return level.value >= low && level.value <= high;
            });
        CHECK(std::size_t(inside) == lines.size());
    }
    CHECK(view->subtitle().contains("row 12"));
    // A line is where its value is on the axis.
    const auto [low, high] = view->window();
    const QRect area = view->plot().axisRect()->rect();
    for (const Level& line : view->gridLines(Side::A)) {
        const double expected = area.left() + (line.value - low) / (high - low) * area.width();
        CHECK(std::abs(view->pixelOf(line.value) - expected) < 1.0);
    }
}

TEST_CASE("the histogram's brush, lock and keys") {
    Panels panels("synthetic:student?rows=64&cols=256");
    const auto view = panels.show<HistogramView>({480, 300});
    const QRect area = view->plot().axisRect()->rect();
    const QPoint from(area.left() + area.width() / 4, area.center().y());
    const QPoint to(area.left() + area.width() / 2, area.center().y());
    QTest::mousePress(&view->plot(), Qt::LeftButton, Qt::ShiftModifier, from);
    QTest::mouseMove(&view->plot(), to);
    QTest::mouseRelease(&view->plot(), Qt::LeftButton, Qt::ShiftModifier, to);
    const auto brushed = panels.document.cursor().brushed();
    REQUIRE(brushed);
    CHECK(brushed->first < brushed->second);
    CHECK(std::abs(view->pixelOf(brushed->first) - from.x()) < 1.5);
    QTest::keyClick(view.get(), Qt::Key_Escape);
    CHECK(!panels.document.cursor().brushed());
    const auto before = view->window();
    QTest::keyClick(view.get(), Qt::Key_Plus);
    CHECK(view->window().second - view->window().first < before.second - before.first);
    QTest::keyClick(view.get(), Qt::Key_F);
    CHECK(view->window() == before);
    view->setLocked(true);
    view->setWindow(-1, 1);
    panels.document.open("synthetic:M");
    panels.settle();
    REQUIRE(QTest::qWaitFor(
        [&] { return panels.document.weights() && panels.document.weights()->rows() == 10; },
        20000));
    panels.settle();
    CHECK(view->window().first == -1.0);
    CHECK(view->window().second == 1.0);
}

TEST_CASE("outlier channels: numbers of the statistics, a drag is one undo step") {
    Panels panels("synthetic:outliers?rows=96&cols=192");
    const auto view = panels.show<OutliersView>({320, 300});
    const auto stats = panels.document.analyses().stats().value;
    REQUIRE(stats);
    const std::vector<OutlierChannel> expected = stats->outliers(true, 1000);
    REQUIRE(view->rows().size() == expected.size());
    CHECK(view->rows().front().index == expected.front().index);
    const auto above = [&](double threshold) {
        return std::count_if(expected.begin(), expected.end(), [&](const OutlierChannel& c) {
            return c.ratio > threshold;
        });
    };
    CHECK(view->outlierCount() == above(3.0));
    CHECK(view->outlierCount() > 0);
    const int steps = panels.document.undoStack().count();
    QWidget* viewport = view->list().viewport();
    const double width = viewport->width();
    const int y = viewport->height() / 2;
    QTest::mousePress(viewport, Qt::LeftButton, {}, QPoint(int(view->thresholdX(width)), y));
    const double target = view->thresholdX(width) + 30;
    for (int i = 1; i <= 5; ++i) {
        QTest::mouseMove(viewport, QPoint(int(view->thresholdX(width)) + 6, y));
    }
    QTest::mouseRelease(viewport, Qt::LeftButton, {}, QPoint(int(target), y));
    CHECK(panels.document.spec().outlierThreshold > 3.0);
    CHECK(panels.document.undoStack().count() == steps + 1);
    CHECK(view->outlierCount() == above(panels.document.spec().outlierThreshold));
    panels.document.undoStack().undo();
    CHECK(panels.document.spec().outlierThreshold == 3.0);
    // A click selects the weight that makes the channel an outlier.
    QSignalSpy revealed(&panels.document.cursor(), &Cursor::revealRequested);
    QTest::mouseClick(viewport,
                      Qt::LeftButton,
                      {},
                      QPoint(20, int(view->headHeight() + view->rowHeight() * 1.5)));
    REQUIRE(panels.document.cursor().selected());
    const Cell cell = *panels.document.cursor().selected();
    CHECK(cell.col == expected[1].index);
    CHECK(std::abs(*cellValue(panels.document, cell)) == expected[1].absmax);
    CHECK(revealed.count() == 1);
    QTest::keyClick(view.get(), Qt::Key_Down);
    CHECK(panels.document.cursor().selected()->col == expected[2].index);
    view->setInputs(false);
    CHECK(view->rows().front().index == stats->outliers(false, 1).front().index);
}

TEST_CASE("the weight view shows the lecture's arithmetic") {
    Panels panels("synthetic:V", "absmax:bits=8", "zeropoint:bits=8");
    // 3.08 is the first weight of the lecture's vector: code 36, back to 3.0614.
    const std::vector<double> values = allWeights(panels.document);
    const auto at =
        std::find_if(
            values.begin(), values.end(), [](double x) { return std::abs(x - 3.08) < 1e-6; }) -
        values.begin();
    REQUIRE(at < std::ptrdiff_t(values.size()));
    panels.document.cursor().select(
        Cell{at / panels.document.weights()->cols(), at % panels.document.weights()->cols()});
    const auto view = panels.show<WeightView>({520, 600});
    const QString a = view->workedText(Side::A);
    INFO(a.toStdString());
    CHECK((a.contains("11.7593") || a.contains("0.0850394")));
    CHECK(a.contains("36"));
    CHECK(a.contains("3.0614"));
    const QString b = view->workedText(Side::B);
    INFO(b.toStdString());
    CHECK(b.contains("13.866"));
    CHECK(b.contains(QStringLiteral("\u221223")));
    CHECK(view->copyText().contains("-23"));
}

TEST_CASE("a flipped bit changes the value, undo and reset restore it") {
    Panels panels("synthetic:student?rows=16&cols=32&dtype=bf16");
    const Cell cell{3, 5};
    panels.document.cursor().select(cell);
    const auto view = panels.show<WeightView>({560, 500});
    const auto before = panels.document.code(3, 5);
    REQUIRE(before);
    CHECK(view->strip().code() == *before);
    const QString text = view->valueText();
    CHECK(view->equationText().startsWith("value = "));
    // The strip's own click: the most significant bit is the sign.
    QTest::mouseClick(
        &view->strip(), Qt::LeftButton, {}, view->strip().bitRect(15).center().toPoint());
    panels.settle();
    CHECK(*panels.document.code(3, 5) == (*before ^ 0x8000));
    CHECK(*cellValue(panels.document, cell) == decode(*findFormat("bf16"), *before ^ 0x8000));
    CHECK(view->valueText() != text);
    CHECK(view->strip().code() == (*before ^ 0x8000));
    panels.document.undoStack().undo();
    CHECK(*panels.document.code(3, 5) == *before);
    CHECK(view->valueText() == text);
    view->step(true);
    const EncodedNumber described = describeCode(*findFormat("bf16"), *before);
    CHECK(*panels.document.code(3, 5) == *described.aboveCode);
    CHECK(panels.document.isEdited(3, 5));
    view->resetEdit();
    CHECK(!panels.document.isEdited(3, 5));
    CHECK(*panels.document.code(3, 5) == *before);
}

TEST_CASE("the weight in every format: nearest codes, what-if in foreign formats") {
    Panels panels("synthetic:student?rows=16&cols=32&dtype=bf16");
    panels.document.cursor().select(Cell{1, 1});
    const auto view = panels.show<WeightView>({700, 600});
    const double value = *cellValue(panels.document, {1, 1});
    FormatTable& table = view->formats();
    CHECK(table.rows().size() == allFormats().size());
    for (const FormatRow& row : table.rows()) {
        const auto expected = encodeValue(*row.format, value);
        REQUIRE(row.number.has_value() == expected.has_value());
        if (expected) {
            CHECK(row.number->code == expected->code);
        }
    }
    const std::size_t fp16 = *table.rowOf(*findFormat("fp16"));
    const std::uint64_t nearest = table.rows()[fp16].number->code;
    table.flip(fp16, 0);
    CHECK(table.rows()[fp16].whatIf);
    CHECK(table.rows()[fp16].number->value == decode(*findFormat("fp16"), nearest ^ 1));
    CHECK(!panels.document.isEdited(1, 1));
    table.resetRow(fp16);
    CHECK(table.rows()[fp16].number->code == nearest);
    // In the stored format's own row a bit changes the weight.
    table.flip(*table.rowOf(*findFormat("bf16")), 0);
    CHECK(panels.document.isEdited(1, 1));
    // Bits that are drawn can be hit.
    for (std::size_t row = 0; row < table.rows().size(); ++row) {
        for (int bit = 0; bit < table.rows()[row].format->bits; ++bit) {
            const QRectF rect = table.bitRect(row, bit);
            CHECK(rect.left() >= 0.0);
            CHECK(rect.right() <= table.width());
        }
    }
}

TEST_CASE("channel error shows the results' RMSE and selects channels") {
    Panels panels("synthetic:outliers?rows=48&cols=96", "absmax:bits=4", "absmax:bits=8");
    panels.document.cursor().select(Cell{0, 7});
    const auto view = panels.show<ChannelErrorView>({480, 300});
    const auto a = panels.document.analyses().scheme(Side::A).value;
    REQUIRE(a);
    REQUIRE(view->rmse(Side::A).size() == 48);
    for (std::size_t i = 0; i < 48; ++i) {
        CHECK(view->rmse(Side::A)[i] == std::sqrt(a->rowMse[i]));
    }
    view->setInputs(true);
    REQUIRE(view->rmse(Side::B).size() == 96);
    view->setSorted(true);
    for (std::size_t place = 1; place < 96; ++place) {
        CHECK(view->rmse(Side::A)[std::size_t(view->channelAt(place - 1))] >=
              view->rmse(Side::A)[std::size_t(view->channelAt(place))]);
    }
    const QRect area = view->plot().axisRect()->rect();
    QTest::mouseClick(
        &view->plot(), Qt::LeftButton, {}, QPoint(area.left() + 2, area.center().y()));
    CHECK(panels.document.cursor().selected()->col == view->channelAt(0));
    CHECK(view->copyText().startsWith("input_channel\trmse_a\trmse_b\toriginal_rms\n"));
}

TEST_CASE("copied numbers equal those of the command line") {
    Panels panels("synthetic:outliers?rows=48&cols=96");
    const auto view = panels.show<OutliersView>({320, 300});
    const auto run = loupe::test::runProgram("loupe",
                                             {"stats",
                                              "synthetic:outliers?rows=48&cols=96",
                                              "--tensor",
                                              panels.document.spec().tensor,
                                              "--json"});
    INFO(run.err);
    REQUIRE(run.exitCode == 0);
    const nlohmann::json document = nlohmann::json::parse(run.out);
    const nlohmann::json& channels = document["tensors"][0]["outlier_channels"]["input"];
    const QStringList lines = view->copyText().split('\n');
    REQUIRE(channels.size() > 3);
    for (std::size_t i = 0; i < channels.size(); ++i) {
        const QStringList cells = lines[qsizetype(i) + 1].split('\t');
        CHECK(cells[0].toStdString() == channels[i]["index"].dump());
        CHECK(cells[1].toDouble() == channels[i]["absmax"].get<double>());
        CHECK(cells[2].toDouble() == channels[i]["ratio"].get<double>());
    }
}

TEST_CASE("panels without a tensor say what would appear, and go on after their document") {
    Document document;
    applyTheme(ThemeId::Dark, 1);
    HistogramView histogram(document);
    OutliersView outliers(document);
    WeightView weight(document);
    ChannelErrorView channels(document);
    for (View* view : std::initializer_list<View*>{&histogram, &outliers, &weight, &channels}) {
        view->resize(300, 180);
        view->show();
        QTest::qWait(10);
        CHECK(!view->grab().isNull());
        CHECK(view->copyText().isEmpty());
        CHECK(!view->canExport());
        view->restore(view->save());
    }
}
