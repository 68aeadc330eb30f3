// SPDX-License-Identifier: GPL-3.0-or-later
#include <QSvgGenerator>

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/plot/export.hpp"
#include "app/views/matrix_view.hpp"
#include "app/widgets/theme.hpp"
#include "tests/gui/matrix_fixture.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/timing.hpp"
#include "tests/support/paths.hpp"

using namespace loupe;
using namespace loupe::app;
using Catch::Matchers::WithinRel;

namespace {

/// A document on a made-up matrix with two schemes, and the view on it.
struct Fixture {
    Document document;
    app::MatrixView view{document};

    explicit Fixture(const char* a = "absmax:bits=4,group=128", const char* b = "absmax:bits=8,group=64", const char* size = "rows=1024&cols=1024") {
        applyTheme(ThemeId::Dark, 1);
        ExperimentSpec spec;
        spec.source = std::string("synthetic:outliers?") + size;
        spec.tensor = "weight";
        spec.schemeA = a;
        spec.schemeB = b;
        document.reset(spec);
        view.resize(1000, 640);
        view.show();
        settle();
    }
    void settle() {
        REQUIRE(QTest::qWaitFor([this] { return document.weights() != nullptr && document.analyses().idle() && view.pane().heatmap().plane() != nullptr; }, 20000));
        QApplication::processEvents();
        REQUIRE(QTest::qWaitFor([this] { return document.analyses().idle() && view.pane().heatmap().updateFrame(); }, 20000));
    }
    QImage picture() {
        settle();
        return view.pane().heatmap().grab().toImage();
    }
};

}  // namespace

TEST_CASE("matrix view opens on magnitude with a range said in the legend", "[matrix]") {
    Fixture f;
    MatrixPane& pane = f.view.pane();
    CHECK(f.view.quantity() == Quantity::Original);
    CHECK(pane.heatmap().color().magnitude);
    CHECK(pane.heatmap().atFit());
    CHECK(pane.heatmap().poolingText().startsWith("each pixel: max |w| of "));
    const auto stats = f.document.analyses().stats().value;
    REQUIRE(stats);
    // Outliers stand far above: the scale ends below the largest weight and says how.
    CHECK(pane.heatmap().color().high < stats->absmax);
    CHECK(pane.legend().info().mode == "99.9 %");
    CHECK_THAT(pane.legend().info().most, WithinRel(stats->absmax, 1e-6));
    CHECK(pane.legend().sentence().contains("NaN 0"));
}

TEST_CASE("peek shows scheme B in place and returns to the identical picture", "[matrix]") {
    Fixture f;
    f.view.setQuantity(Quantity::Error, Side::A);
    const QImage before = f.picture();
    const ColorSetting range = f.view.pane().heatmap().color();
    Heatmap& heatmap = f.view.pane().heatmap();
    heatmap.setFocus();
    QTest::keyPress(&heatmap, Qt::Key_B);
    const QImage peeked = f.picture();
    CHECK(peeked != before);
    CHECK(heatmap.color() == range);
    CHECK(f.view.pane().side() == Side::B);
    // What is shown is B's own plane.
    CHECK(heatmap.plane() == f.document.analyses().plane(Quantity::Error, Side::B).value);
    QTest::keyRelease(&heatmap, Qt::Key_B);
    CHECK(f.picture() == before);
    // From the original, B's weights.
    f.view.setQuantity(Quantity::Original, Side::A);
    const QImage original = f.picture();
    f.view.setPeek(true);
    CHECK(f.view.pane().quantity() == Quantity::Scheme);
    f.view.setPeek(false);
    CHECK(f.picture() == original);
}

TEST_CASE("swap exchanges the schemes as one undoable edit", "[matrix]") {
    Fixture f;
    const QString a = f.document.scheme(Side::A);
    const QString b = f.document.scheme(Side::B);
    QTest::keyClick(&f.view.pane().heatmap(), Qt::Key_X);
    CHECK(f.document.scheme(Side::A) == b);
    CHECK(f.document.scheme(Side::B) == a);
    f.document.undoStack().undo();
    CHECK(f.document.scheme(Side::A) == a);
}

TEST_CASE("quantities without what they need are disabled and say why", "[matrix]") {
    Fixture f("absmax:bits=4", "");
    const auto action = [&](Quantity quantity) { return MatrixActions::actionFor(f.view.actions().quantity, static_cast<int>(quantity)); };
    CHECK(action(Quantity::Scheme)->isEnabled());
    CHECK(action(Quantity::Codes)->isEnabled());
    CHECK_FALSE(action(Quantity::Difference)->isEnabled());
    CHECK(action(Quantity::Difference)->toolTip().contains("Why"));
    f.view.setQuantity(Quantity::Scheme, Side::A);
    f.settle();
    CHECK(f.view.pane().quantity() == Quantity::Scheme);
    f.document.setScheme(Side::A, {}, "Clear");
    f.settle();
    CHECK(f.view.quantity() == Quantity::Original);
    CHECK_FALSE(action(Quantity::Error)->isEnabled());
}

TEST_CASE("the range stays on zoom and, locked, across schemes", "[matrix]") {
    Fixture f;
    Heatmap& heatmap = f.view.pane().heatmap();
    const ColorSetting before = heatmap.color();
    heatmap.zoomBy(20, QPointF(300, 200));
    f.settle();
    CHECK(heatmap.color() == before);
    f.view.setQuantity(Quantity::Error, Side::A);
    f.settle();
    const ColorSetting four = heatmap.color();
    f.view.actions().lock->setChecked(true);
    f.document.setScheme(Side::A, "absmax:bits=8,group=128", "8 bits");
    f.settle();
    CHECK(heatmap.color() == four);
    f.view.actions().lock->setChecked(false);
    f.document.setScheme(Side::A, "absmax:bits=3,group=128", "3 bits");
    f.settle();
    CHECK(heatmap.color().high > four.high);
    // The end of a range set by hand is said in the legend.
    f.view.pane().legend().setFocus();
    QTest::keyClick(&f.view.pane().legend(), Qt::Key_Down);
    CHECK(f.view.pane().legend().info().mode == "by hand");
}

TEST_CASE("the same picture comes back from saved state", "[matrix]") {
    Fixture f;
    f.view.setQuantity(Quantity::Error, Side::B);
    MatrixActions::choose(f.view.actions().map, 1);
    f.view.actions().map->checkedAction()->trigger();
    f.view.pane().heatmap().zoomBy(9, QPointF(400, 260));
    const QImage before = f.picture();
    const QJsonObject state = f.view.save();
    f.view.restore({});
    CHECK(f.view.quantity() == Quantity::Original);
    CHECK(f.view.pane().heatmap().atFit());
    const QImage defaults = f.picture();
    CHECK(defaults != before);
    f.view.restore(state);
    CHECK(f.picture() == before);
    CHECK(f.view.save() == state);
}

TEST_CASE("go to, select and pin by keys; the selection is said in words", "[matrix]") {
    Fixture f;
    Heatmap& heatmap = f.view.pane().heatmap();
    heatmap.setFocus();
    QTest::keyClick(&heatmap, Qt::Key_G, Qt::ControlModifier);
    auto* line = f.view.findChild<QLineEdit*>("goTo");
    REQUIRE(line->isVisible());
    line->setText("700, 12");
    QTest::keyClick(line, Qt::Key_Return);
    CHECK(f.document.cursor().selected() == std::optional<Cell>(Cell{700, 12}));
    CHECK(heatmap.visibleCells().contains(Cell{700, 12}));
    f.settle();
    CHECK(heatmap.accessibleDescription().contains("row 700, column 12, weight "));
    CHECK(heatmap.accessibleDescription().contains("scheme B:"));
    QTest::keyClick(&heatmap, Qt::Key_Space);
    CHECK(f.document.cursor().pins().size() == 1);
    QTest::keyClick(&heatmap, Qt::Key_Space);
    CHECK(f.document.cursor().pins().empty());
    QTest::keyClick(&heatmap, Qt::Key_Escape);
    CHECK_FALSE(f.document.cursor().selected());
    QTest::keyClick(&heatmap, Qt::Key_G, Qt::ControlModifier);
    line->setText("70000, 12");
    QTest::keyClick(line, Qt::Key_Return);
    CHECK(f.view.findChild<MessageBar*>("message")->why().contains("1023"));
}

TEST_CASE("the numbers behind the picture are copied as tab-separated text", "[matrix]") {
    Fixture f;
    const QString pooled = f.view.copyText();
    CHECK(pooled.startsWith("# w: largest |x|, signed of up to "));
    CHECK(pooled.contains("rows 0-1023, columns 0-1023"));
    CHECK(pooled.count('\n') == 102);
    f.view.pane().heatmap().reveal({5, 7});
    f.settle();
    const CellRange seen = f.view.pane().heatmap().visibleCells();
    REQUIRE(seen.count() <= 10000);
    const QStringList lines = f.view.copyText().split('\n', Qt::SkipEmptyParts);
    REQUIRE(lines.size() == seen.rows + 1);
    const QStringList row = lines[static_cast<qsizetype>(6 - seen.firstRow)].split('\t');
    REQUIRE(row.size() == seen.cols + 1);
    CHECK(row[0] == "5");
    std::vector<float> stored(1024);
    REQUIRE(f.document.weights()->read(5, 1, stored.data()));
    CHECK(row[static_cast<qsizetype>(8 - seen.firstCol)].toFloat() == stored[7]);
}

TEST_CASE("two pictures compare with one zoom", "[matrix]") {
    Fixture f;
    f.view.setCompare(true);
    f.settle();
    REQUIRE(f.view.referencePane().isVisible());
    CHECK(f.view.pane().quantity() == Quantity::Scheme);
    CHECK(f.view.referencePane().quantity() == Quantity::Original);
    f.view.pane().heatmap().zoomBy(5, QPointF(100, 100));
    CHECK(f.view.referencePane().heatmap().transform() == f.view.pane().heatmap().transform());
    CHECK(f.view.referencePane().heatmap().color() == f.view.pane().heatmap().color());
}

TEST_CASE("an exported picture keeps its text as text", "[matrix]") {
    Fixture f;
    f.view.pane().heatmap().reveal({500, 500});
    f.settle();
    const QString path = QString::fromStdString((loupe::test::scratchDir() / "matrix.svg").string());
    QString problem;
    REQUIRE(exportView(f.view, path, {}, &problem));
    QFile file(path);
    REQUIRE(file.open(QIODevice::ReadOnly));
    const QString svg = QString::fromUtf8(file.readAll());
    CHECK(svg.count("<text") > 20);
    CHECK(svg.contains("Input channel max |w|"));
    CHECK(svg.contains("<image"));
    CHECK(svg.contains("NaN 0"));
}

TEST_CASE("painting stays short while the picture moves", "[matrix]") {
    Fixture f("absmax:bits=4,group=128", "", "rows=4096&cols=4096");
    f.view.setQuantity(Quantity::Scheme, Side::A);
    f.settle();
    Heatmap& heatmap = f.view.pane().heatmap();
    std::vector<double> paints;
    for (int i = 0; i < 40; ++i) {
        i < 25 ? heatmap.zoomBy(1.25, QPointF(300, 200)) : heatmap.zoomBy(0.7, QPointF(100, 300));
        (void)heatmap.grab();
        paints.push_back(heatmap.lastPaintMs());
        QApplication::processEvents();
    }
    std::sort(paints.begin(), paints.end());
    CAPTURE(paints);
    CHECK((!loupe::test::judgesTiming() || paints[20] <= 16));
    f.settle();
}

TEST_CASE("an empty document says what would appear", "[matrix]") {
    Document document;
    app::MatrixView view(document);
    view.resize(700, 500);
    view.show();
    (void)view.grab();
    CHECK(view.copyText().isEmpty());
    CHECK(view.pane().heatmap().plane() == nullptr);
    view.restore(view.save());
}
