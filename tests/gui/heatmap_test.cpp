// SPDX-License-Identifier: GPL-3.0-or-later
#include <QSignalSpy>

#include <limits>

#include "app/plot/heatmap.hpp"
#include "app/plot/range_legend.hpp"
#include "app/widgets/theme.hpp"
#include "tests/gui/matrix_fixture.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/timing.hpp"

using namespace loupe;
using namespace loupe::app;
using Catch::Matchers::WithinAbs;
using loupe::test::grabAt;
using loupe::test::makePlane;
using loupe::test::withOutliers;

namespace {

ColorSetting tightRange() {
    ColorSetting setting;
    setting.high = 0.05;
    return setting;
}

/// True if a pixel within `reach` device pixels of the cell's place has the colour of values above the range.
bool isVisible(const QImage& image, const Heatmap& heatmap, Cell cell, double ratio) {
    const QRectF rect = heatmap.transform().cellRect(cell).translated(heatmap.pictureRect().topLeft());
    const QRgb above = colorTable(ColorMapId::Viridis).above;
    const int left = static_cast<int>(std::floor(rect.left() * ratio)) - 1;
    const int right = static_cast<int>(std::ceil(rect.right() * ratio)) + 1;
    const int top = static_cast<int>(std::floor(rect.top() * ratio)) - 1;
    const int bottom = static_cast<int>(std::ceil(rect.bottom() * ratio)) + 1;
    for (int y = std::max(0, top); y <= std::min(image.height() - 1, bottom); ++y) {
        for (int x = std::max(0, left); x <= std::min(image.width() - 1, right); ++x) {
            if ((image.pixel(x, y) & 0xffffffU) == (above & 0xffffffU)) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

TEST_CASE("every single-cell outlier is painted at every zoom and scale", "[matrix]") {
    applyTheme(ThemeId::Dark, 1);
    std::vector<Cell> places;
    const auto plane = makePlane(4096, 4096, withOutliers(4096, 4096, 400, &places));
    Heatmap heatmap(nullptr);
    heatmap.resize(900, 640);
    heatmap.setPlane(plane);
    heatmap.setColor(tightRange());
    heatmap.setOutlierLevel(0.5);
    for (const double ratio : {1.0, 1.5, 2.0}) {
        for (const double zoom : {1.0, 1.37, 2.0, 3.1, 4.7, 8.0, 13.3, 40.0}) {
            heatmap.fit();
            heatmap.zoomBy(zoom, QPointF(211, 307));
            const QImage image = grabAt(heatmap, ratio);
            const CellRange seen = heatmap.visibleCells();
            int inside = 0;
            int missed = 0;
            for (const Cell& place : places) {
                // Cells cut by the edge may show less than a pixel.
                const CellRange inner{seen.firstRow + 1, seen.rows - 2, seen.firstCol + 1, seen.cols - 2};
                if (inner.contains(place)) {
                    ++inside;
                    missed += isVisible(image, heatmap, place, ratio) ? 0 : 1;
                }
            }
            CAPTURE(ratio, zoom, inside);
            CHECK(missed == 0);
            if (zoom == 1.0) {
                CHECK(inside >= 380);
            }
        }
    }
}

TEST_CASE("zooming keeps the cell under the pointer", "[matrix]") {
    Heatmap heatmap(nullptr);
    heatmap.resize(800, 600);
    heatmap.setPlane(makePlane(1000, 3000, std::vector<float>(3'000'000, 0.5F)));
    heatmap.zoomBy(3);
    const QPointF at(311.5, 222.25);
    const double col = heatmap.transform().col(at.x());
    const double row = heatmap.transform().row(at.y());
    for (const double factor : {1.25, 1.25, 4.0, 0.5, 1.1}) {
        heatmap.zoomBy(factor, at);
        CHECK_THAT(heatmap.transform().col(at.x()), WithinAbs(col, 1e-6));
        CHECK_THAT(heatmap.transform().row(at.y()), WithinAbs(row, 1e-6));
    }
    // By the wheel, too; Ctrl is finer, Shift coarser.
    const auto wheel = [&](Qt::KeyboardModifiers modifiers) {
        const QPointF position = heatmap.pictureRect().topLeft() + at;
        QWheelEvent event(position, position, QPoint(), QPoint(0, 120), Qt::NoButton, modifiers, Qt::NoScrollPhase, false);
        const double before = heatmap.transform().scaleX;
        QApplication::sendEvent(&heatmap, &event);
        return heatmap.transform().scaleX / before;
    };
    const double plain = wheel(Qt::NoModifier);
    const double fine = wheel(Qt::ControlModifier);
    CHECK(fine > 1);
    CHECK(plain > fine);
    CHECK_THAT(heatmap.transform().col(at.x()), WithinAbs(col, 1e-6));
    // Out again: the whole matrix, nothing beyond.
    heatmap.zoomBy(1e-9);
    CHECK(heatmap.atFit());
    CHECK(heatmap.visibleCells().count() == 3'000'000);
}

TEST_CASE("the picture pans, zooms and selects by keys alone", "[matrix]") {
    Heatmap heatmap(nullptr);
    heatmap.resize(800, 600);
    heatmap.setPlane(makePlane(512, 512, std::vector<float>(512 * 512, 0.25F)));
    heatmap.show();
    QTest::keyClick(&heatmap, Qt::Key_Plus);
    CHECK_FALSE(heatmap.atFit());
    const double left = heatmap.transform().left;
    QTest::keyClick(&heatmap, Qt::Key_A);
    CHECK(heatmap.transform().left < left);
    QTest::keyClick(&heatmap, Qt::Key_F);
    CHECK(heatmap.atFit());
    QTest::keyClick(&heatmap, Qt::Key_1);
    CHECK_THAT(heatmap.transform().scaleX, WithinAbs(1.0, 1e-12));
    CHECK(heatmap.aspect() == Aspect::OneToOne);

    std::vector<Cell> clicked;
    QObject::connect(&heatmap, &Heatmap::cellClicked, &heatmap, [&](Cell cell) {
        clicked.push_back(cell);
        heatmap.setSelected(cell);
    });
    heatmap.setGroups([](Cell cell) { return std::pair(cell.col / 128 * 128, cell.col / 128 * 128 + 128); });
    QTest::keyClick(&heatmap, Qt::Key_Return);
    REQUIRE(clicked.size() == 1);
    heatmap.setSelected(Cell{10, 200});
    QTest::keyClick(&heatmap, Qt::Key_Right);
    CHECK(clicked.back() == Cell{10, 201});
    QTest::keyClick(&heatmap, Qt::Key_Up);
    CHECK(clicked.back() == Cell{9, 201});
    QTest::keyClick(&heatmap, Qt::Key_Right, Qt::ShiftModifier);
    CHECK(clicked.back() == Cell{9, 256});
    QTest::keyClick(&heatmap, Qt::Key_Left, Qt::ShiftModifier);
    CHECK(clicked.back() == Cell{9, 128});
    int pins = 0;
    QObject::connect(&heatmap, &Heatmap::pinRequested, &heatmap, [&](Cell) { ++pins; });
    QTest::keyClick(&heatmap, Qt::Key_Space);
    CHECK(pins == 1);
    std::vector<bool> peeks;
    QObject::connect(&heatmap, &Heatmap::peekRequested, &heatmap, [&](bool on) { peeks.push_back(on); });
    QTest::keyPress(&heatmap, Qt::Key_B);
    QTest::keyRelease(&heatmap, Qt::Key_B);
    CHECK(peeks == std::vector<bool>{true, false});
}

TEST_CASE("the mouse pans, selects, draws a box and picks the cell that colours a pixel", "[matrix]") {
    std::vector<Cell> places;
    const auto plane = makePlane(2048, 2048, withOutliers(2048, 2048, 100, &places));
    Heatmap heatmap(nullptr);
    heatmap.resize(500, 400);
    heatmap.setPlane(plane);
    heatmap.setColor(tightRange());
    heatmap.setOutlierLevel(0.5);
    heatmap.show();
    (void)heatmap.grab();
    REQUIRE(heatmap.frame().pooled());
    // A pixel of 4 to 7 cells a side: the read-out names the outlier, not the cell under the pointer's tip.
    int found = 0;
    for (const Cell& place : places) {
        const QPointF at = heatmap.transform().cellRect(place).center() + heatmap.pictureRect().topLeft();
        found += heatmap.cellFor(at) == std::optional<Cell>(place) ? 1 : 0;
    }
    CHECK(found == 100);

    Cell clicked;
    QObject::connect(&heatmap, &Heatmap::cellClicked, &heatmap, [&](Cell cell) { clicked = cell; });
    const QPoint spot = (heatmap.transform().cellRect(places[55]).center() + heatmap.pictureRect().topLeft()).toPoint();
    QTest::mouseClick(&heatmap, Qt::LeftButton, {}, spot);
    CHECK(clicked == places[55]);
    CHECK(heatmap.atFit());

    const QPoint middle = heatmap.pictureRect().center().toPoint();
    const auto drag = [&](Qt::MouseButton button, QPoint from, QPoint to) {
        QTest::mousePress(&heatmap, button, {}, from);
        for (const QPoint& at : {(from + to) / 2, to}) {
            QMouseEvent move(QEvent::MouseMove, at, heatmap.mapToGlobal(at), Qt::NoButton, button, {});
            QApplication::sendEvent(&heatmap, &move);
        }
        QTest::mouseRelease(&heatmap, button, {}, to);
    };
    drag(Qt::RightButton, middle - QPoint(50, 40), middle + QPoint(50, 40));
    CHECK_FALSE(heatmap.atFit());
    const CellRange seen = heatmap.visibleCells();
    CHECK(seen.cols < 600);
    drag(Qt::LeftButton, middle, middle + QPoint(30, 0));
    CHECK(heatmap.visibleCells().firstCol < seen.firstCol);
    QTest::mouseDClick(&heatmap, Qt::LeftButton, {}, middle);
    CHECK(heatmap.atFit());
}

TEST_CASE("NaN and infinity show at every zoom", "[matrix]") {
    constexpr float kInf = std::numeric_limits<float>::infinity();
    std::vector<float> values(1024 * 1024, 0.02F);
    values[500 * 1024 + 500] = std::numeric_limits<float>::quiet_NaN();
    values[500 * 1024 + 510] = kInf;
    values[500 * 1024 + 490] = -kInf;
    Heatmap heatmap(nullptr);
    heatmap.resize(400, 380);
    heatmap.setPlane(makePlane(1024, 1024, values));
    heatmap.setColor(tightRange());
    const auto count = [&](QRgb colour, Cell cell) {
        const QImage image = grabAt(heatmap, 1);
        const QRect area = heatmap.transform().cellRect(cell).translated(heatmap.pictureRect().topLeft()).toAlignedRect().adjusted(-2, -2, 2, 2);
        int pixels = 0;
        for (int y = area.top(); y <= area.bottom(); ++y) {
            for (int x = area.left(); x <= area.right(); ++x) {
                pixels += (image.pixel(x, y) & 0xffffffU) == (colour & 0xffffffU) ? 1 : 0;
            }
        }
        return pixels;
    };
    // Pooled: a black square of 3 px in a white ring; infinity has a white cross on it.
    CHECK(count(0xff000000, {500, 500}) >= 9);
    CHECK(count(0xffffffff, {500, 510}) >= 9);
    // Zoomed in: hatched black, and the end cap with a cross.
    heatmap.reveal({500, 500});
    CHECK(heatmap.transform().scaleX >= 6);
    CHECK(count(0xff000000, {500, 500}) >= 30);
    CHECK(count(0xffffffff, {500, 510}) >= 30);
    CHECK(heatmap.plane()->pyramid->nan == 1);
    CHECK(heatmap.plane()->pyramid->inf == 2);
}

TEST_CASE("a change of the range does not sample again and is quick", "[matrix]") {
    std::vector<Cell> places;
    Heatmap heatmap(nullptr);
    heatmap.resize(1280, 800);
    heatmap.setPlane(makePlane(4096, 4096, withOutliers(4096, 4096, 400, &places)));
    heatmap.setColor(tightRange());
    (void)grabAt(heatmap, 1);
    std::vector<double> paints;
    for (int i = 0; i < 9; ++i) {
        ColorSetting setting = tightRange();
        setting.high *= 1 + 0.01 * i;
        heatmap.setColor(setting);
        (void)grabAt(heatmap, 1);
        paints.push_back(heatmap.lastPaintMs());
    }
    std::sort(paints.begin(), paints.end());
    CAPTURE(paints);
    CHECK((!loupe::test::judgesTiming() || paints[4] <= 16));
    paints.clear();
    for (int i = 0; i < 15; ++i) {
        heatmap.zoomBy(1.3, QPointF(300, 200));
        (void)grabAt(heatmap, 1);
        paints.push_back(heatmap.lastPaintMs());
    }
    std::sort(paints.begin(), paints.end());
    CAPTURE(paints);
    CHECK((!loupe::test::judgesTiming() || paints[paints.size() / 2] <= 16));
}

TEST_CASE("legend handles, keys and typed bounds change the range", "[matrix]") {
    RangeLegend legend;
    legend.resize(legend.sizeHint().width(), 360);
    ColorSetting setting;
    setting.high = 0.16;
    legend.setSetting(setting);
    LegendInfo info;
    info.most = 1.2;
    info.nan = 3;
    info.mode = "99.9 %";
    legend.setInfo(info);
    legend.show();
    std::vector<std::pair<double, double>> ranges;
    QObject::connect(&legend, &RangeLegend::rangeChanged, &legend, [&](double low, double high, bool) { ranges.emplace_back(low, high); });
    const QPoint from = legend.handle(true).toPoint();
    const int length = static_cast<int>(legend.handle(false).y() - legend.handle(true).y());
    QTest::mousePress(&legend, Qt::LeftButton, {}, from);
    const QPoint to = from + QPoint(0, length / 2);
    QMouseEvent move(QEvent::MouseMove, to, legend.mapToGlobal(to), Qt::NoButton, Qt::LeftButton, {});
    QApplication::sendEvent(&legend, &move);
    QTest::mouseRelease(&legend, Qt::LeftButton, {}, to);
    REQUIRE_FALSE(ranges.empty());
    CHECK_THAT(ranges.back().second, WithinAbs(0.08, 0.002));
    CHECK(ranges.back().first == 0);
    QTest::keyClick(&legend, Qt::Key_Up);
    CHECK(ranges.back().second > 0.082);
    QTest::keyClick(&legend, Qt::Key_Up, Qt::ShiftModifier);
    CHECK(ranges.back().first > 0);
    QTest::keyClick(&legend, Qt::Key_Return);
    auto* editor = legend.findChild<QLineEdit*>("bound");
    REQUIRE(editor != nullptr);
    editor->setText("0.5");
    QTest::keyClick(editor, Qt::Key_Return);
    CHECK(ranges.back().second == 0.5);
    CHECK(legend.sentence().contains("NaN 3"));
    CHECK(legend.accessibleDescription() == legend.sentence());

    // Diverging maps keep zero at the centre.
    setting.map = ColorMapId::Signed;
    setting.magnitude = false;
    setting.low = -0.2;
    setting.high = 0.2;
    legend.setSetting(setting);
    QTest::keyClick(&legend, Qt::Key_Down);
    CHECK(ranges.back().first == -ranges.back().second);
    CHECK(ranges.back().second < 0.2);
}

TEST_CASE("cell texts use fixed decimals that suit the range", "[matrix]") {
    const QChar minus(0x2212);
    CHECK(cellText(-0.0073, 0.06) == QString(minus) + ".0073");
    CHECK(cellText(0.25, 0.3) == ".250");
    CHECK(cellText(0.25, 0.16) == ".2500");
    CHECK(cellText(1.5, 2) == "1.50");
    CHECK(cellText(5.47, 256) == "5.47");
    CHECK(cellText(256, 256) == "256");
    CHECK(cellText(0, 2) == "0");
    CHECK(cellText(std::nan(""), 2) == "NaN");
    CHECK(cellText(-std::numeric_limits<double>::infinity(), 2) == QString(minus) + QChar(0x221E));
}
