// SPDX-License-Identifier: GPL-3.0-or-later
// A person's session with a real window, a window manager and real input events (xdotool): open by dialog, choose a tensor,
// bits 8 to 4 with the slider, zoom, pick a cell, flip a bit, undo all, save the session, quit, reopen: the same picture.
// Run by session.sh on a display of its own.
#include <QAbstractItemView>
#include <QApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QFileDialog>
#include <QProcess>
#include <QSlider>
#include <QTest>

#include <memory>

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/document/document.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/main_window.hpp"
#include "app/widgets/bit_strip.hpp"
#include "core/io/tensor_source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

using namespace loupe::app;

namespace {

template <class Condition>
bool waitFor(Condition condition, int milliseconds = 15000) {
    return QTest::qWaitFor(condition, milliseconds);
}

/// Runs xdotool while the window's event loop goes on.
void xdo(const QStringList& arguments) {
    QProcess process;
    process.start("xdotool", arguments);
    const bool finished = waitFor([&] { return process.state() == QProcess::NotRunning; }, 10000);
    CAPTURE(arguments.join(' ').toStdString());
    REQUIRE(finished);
    CHECK(process.exitCode() == 0);
    QTest::qWait(60);
}

void pointAt(const QWidget& widget, const QPoint& at) {
    const QPoint global = widget.mapToGlobal(at);
    xdo({"mousemove", QString::number(global.x()), QString::number(global.y())});
}

void clickAt(const QWidget& widget, const QPoint& at) {
    pointAt(widget, at);
    xdo({"click", "1"});
}

void keys(const QString& combination) { xdo({"key", "--clearmodifiers", combination}); }
void type(const QString& text) { xdo({"type", "--clearmodifiers", "--delay", "8", text}); }

/// A window with the views' results all there.
void settle(MainWindow& window) {
    REQUIRE(waitFor([&] { return window.document().analyses().idle() && window.document().jobs().running().empty(); }));
    QTest::qWait(150);
}

std::unique_ptr<MainWindow> openWindow(Appearance& appearance, const Options& options) {
    auto window = std::make_unique<MainWindow>(appearance);
    window->start(options);
    window->show();
    REQUIRE(QTest::qWaitForWindowActive(window.get(), 10000));
    return window;
}

QWidget& picture(MainWindow& window) {
    View* matrix = window.view("matrix");
    REQUIRE(matrix != nullptr);
    auto* heatmap = matrix->findChild<QWidget*>("picture");
    REQUIRE(heatmap != nullptr);
    return *heatmap;
}

/// What the picture shows, without crosshair and read-out.
QImage quietPicture(MainWindow& window) {
    window.document().cursor().setHover(std::nullopt);
    xdo({"mousemove", "2", "2"});
    settle(window);
    return picture(window).grab().toImage();
}

void answerFileDialog(const QString& path) {
    REQUIRE(waitFor([] { return qobject_cast<QFileDialog*>(QApplication::activeModalWidget()) != nullptr; }));
    QTest::qWait(300);
    type(path);
    keys("Return");
    REQUIRE(waitFor([] { return QApplication::activeModalWidget() == nullptr; }));
}

void openByDialog(MainWindow& window) {
    keys("ctrl+o");
    answerFileDialog(QString::fromStdString((loupe::test::binDir() / "../share/tensorloupe/sample/model.safetensors").lexically_normal().string()));
    REQUIRE(waitFor([&] { return window.document().source() != nullptr; }));
    settle(window);
}

void chooseTensor(MainWindow& window, const QString& name) {
    keys("ctrl+f");
    type(name);
    keys("Down");
    keys("Return");
    REQUIRE(waitFor([&] { return window.document().tensor() != nullptr && QString::fromStdString(window.document().tensor()->name) == name; }));
    settle(window);
}

void dragBitsToFour(MainWindow& window) {
    auto* field = window.view("scheme_a")->findChild<QWidget*>("bits");
    REQUIRE(field != nullptr);
    auto* slider = field->findChild<QSlider*>();
    REQUIRE(slider != nullptr);
    REQUIRE(slider->isVisible());
    const auto handleX = [&](int value) {
        const double share = double(value - slider->minimum()) / double(slider->maximum() - slider->minimum());
        return int(7 + share * double(slider->width() - 14));
    };
    const int from = slider->value();
    pointAt(*slider, {handleX(from), slider->height() / 2});
    xdo({"mousedown", "1"});
    for (int step = 1; step <= 8; ++step) {
        pointAt(*slider, {handleX(from) + (handleX(slider->minimum() + 2) - handleX(from)) * step / 8, slider->height() / 2});
    }
    xdo({"mouseup", "1"});
    // Fine adjustment as a person would: arrow keys on the focused slider.
    for (int tries = 0; tries < 8 && slider->value() != slider->minimum() + 2; ++tries) {
        keys(slider->value() > slider->minimum() + 2 ? "Left" : "Right");
    }
    settle(window);
}

void flipABit(MainWindow& window) {
    View* weight = window.view("weight");
    REQUIRE(weight != nullptr);
    REQUIRE(waitFor([&] { return weight->isVisible(); }));
    auto* strip = weight->findChild<BitStrip*>();
    REQUIRE(strip != nullptr);
    REQUIRE(strip->isVisible());
    clickAt(*strip, strip->bitRect(strip->bits() - 1).center().toPoint());
}

}  // namespace

TEST_CASE("a session with real windows and real input") {
    REQUIRE(QGuiApplication::platformName() == "xcb");
    QApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
    Appearance appearance;
    appearance.start("dark", 1);
    Options options;
    options.size = {1280, 720};
    auto window = openWindow(appearance, options);

    openByDialog(*window);
    chooseTensor(*window, "model.layers.1.mlp.up_proj.weight");
    Document& document = window->document();
    document.setScheme(Side::A, "absmax:per=row", "Scheme A");
    settle(*window);
    const QImage untouched = quietPicture(*window);
    const loupe::ExperimentSpec start = document.spec();
    const int startIndex = document.undoStack().index();

    dragBitsToFour(*window);
    CHECK(document.scheme(Side::A) == "absmax:bits=4,per=row");

    QWidget& heatmap = picture(*window);
    pointAt(heatmap, heatmap.rect().center());
    for (int i = 0; i < 12; ++i) {
        xdo({"click", "4"});
    }
    settle(*window);
    const QImage zoomed = quietPicture(*window);
    CHECK(zoomed != untouched);
    clickAt(heatmap, heatmap.rect().center() + QPoint(11, 7));
    REQUIRE(waitFor([&] { return document.cursor().selected().has_value(); }));
    const Cell cell = *document.cursor().selected();
    settle(*window);

    const std::uint64_t code = document.code(cell.row, cell.col).value();
    flipABit(*window);
    REQUIRE(waitFor([&] { return document.isEdited(cell.row, cell.col); }));
    CHECK(document.code(cell.row, cell.col).value() != code);
    settle(*window);
    window->grab().save(QString::fromStdString((loupe::test::binDir().parent_path() / "xvfb-edited.png").string()));

    for (int i = 0; i < 20 && document.undoStack().index() > startIndex; ++i) {
        keys("ctrl+z");
    }
    CHECK(document.spec() == start);
    CHECK(document.code(cell.row, cell.col).value() == code);
    const QImage before = quietPicture(*window);

    const QString session = QDir::temp().filePath("loupe-xvfb-session.loupe");
    QFile::remove(session);
    keys("ctrl+s");
    answerFileDialog(session);
    REQUIRE(waitFor([&] { return QFile::exists(session); }));
    window->grab().save(QString::fromStdString((loupe::test::binDir().parent_path() / "xvfb-saved.png").string()));
    keys("ctrl+q");
    REQUIRE(waitFor([&] { return !window->isVisible(); }));
    window.reset();

    options.session = session;
    auto reopened = openWindow(appearance, options);
    REQUIRE(waitFor([&] { return reopened->document().weights() != nullptr; }));
    settle(*reopened);
    CHECK(reopened->document().spec() == start);
    CHECK(reopened->document().cursor().selected() == cell);
    const QImage after = quietPicture(*reopened);
    reopened->grab().save(QString::fromStdString((loupe::test::binDir().parent_path() / "xvfb-reopened.png").string()));
    CHECK(after.size() == before.size());
    CHECK(after == before);
    QFile::remove(session);
}
