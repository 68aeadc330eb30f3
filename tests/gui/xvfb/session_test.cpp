// SPDX-License-Identifier: GPL-3.0-or-later
// A person's session with a real window, a window manager and real input events (xdotool): open by dialog, choose a tensor,
// bits 8 to 4 with the slider, zoom, pick a cell, flip a bit, undo all, save the session, quit, reopen: the same picture.
// Run by session.sh on a display of its own.
#include <QAbstractItemView>
#include <QApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QFile>
#include <QFileDialog>
#include <QProcess>
#include <QSlider>
#include <QThread>

#include <filesystem>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>

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

/// Runs a function on the UI thread and waits for it. The script runs on a thread of its own, since a modal dialog keeps the
/// UI thread inside its event loop; queued calls get through there.
template <class Function>
auto onUi(Function function) {
    using Value = std::invoke_result_t<Function>;
    if constexpr (std::is_void_v<Value>) {
        QMetaObject::invokeMethod(qApp, function, Qt::BlockingQueuedConnection);
    } else {
        std::optional<Value> value;
        QMetaObject::invokeMethod(qApp, [&] { value.emplace(function()); }, Qt::BlockingQueuedConnection);
        return std::move(*value);
    }
}

void pause(int milliseconds) { QThread::msleep(static_cast<unsigned long>(milliseconds)); }

template <class Condition>
bool waitFor(Condition condition, int milliseconds = 20000) {
    QElapsedTimer clock;
    clock.start();
    while (!onUi(condition)) {
        if (clock.elapsed() > milliseconds) {
            return false;
        }
        pause(20);
    }
    return true;
}

void xdo(const QStringList& arguments) {
    QProcess process;
    process.start("xdotool", arguments);
    CAPTURE(arguments.join(' ').toStdString());
    REQUIRE(process.waitForFinished(10000));
    CHECK(process.exitCode() == 0);
    pause(60);
}

void pointAt(const QWidget& widget, const QPoint& at) {
    const QPoint global = onUi([&] { return widget.mapToGlobal(at); });
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
    pause(150);
}

std::unique_ptr<MainWindow> openWindow(Appearance& appearance, const Options& options) {
    auto window = onUi([&] {
        auto made = std::make_unique<MainWindow>(appearance);
        made->start(options);
        made->show();
        return made;
    });
    REQUIRE(waitFor([&] { return window->isActiveWindow(); }));
    return window;
}

QWidget& picture(MainWindow& window) {
    auto* heatmap = onUi([&] { return window.view("matrix")->findChild<QWidget*>("picture"); });
    REQUIRE(heatmap != nullptr);
    return *heatmap;
}

void save(MainWindow& window, const char* name) {
    const std::filesystem::path path = loupe::test::binDir().parent_path() / name;
    onUi([&] { window.grab().save(QString::fromStdString(path.string())); });
}

/// What the picture shows, without crosshair and read-out.
QImage quietPicture(MainWindow& window) {
    xdo({"mousemove", "2", "2"});
    onUi([&] { window.document().cursor().setHover(std::nullopt); });
    settle(window);
    QWidget& heatmap = picture(window);
    const auto grab = [&] { return onUi([&] { return heatmap.grab().toImage(); }); };
    // Docks may still move and finer pictures still arrive under a slow build: what counts is the picture that stays.
    constexpr int kSame = 3;
    QImage shown = grab();
    int same = 0;
    for (int tries = 0; same < kSame && tries < 60; ++tries) {
        pause(200);
        settle(window);
        const QImage next = grab();
        same = next == shown ? same + 1 : 0;
        shown = next;
    }
    CHECK(same == kSame);
    return shown;
}

void answerFileDialog(const QString& path) {
    REQUIRE(waitFor([] { return qobject_cast<QFileDialog*>(QApplication::activeModalWidget()) != nullptr; }));
    pause(300);
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
    QSlider* slider = onUi([&] {
        auto* field = window.view("scheme_a")->findChild<QWidget*>("bits");
        return field == nullptr ? nullptr : field->findChild<QSlider*>();
    });
    REQUIRE(slider != nullptr);
    const int least = slider->minimum();
    const int from = onUi([&] { return slider->value(); });
    const QSize size = onUi([&] { return slider->size(); });
    const auto handle = [&](double value) {
        const double share = (value - least) / double(slider->maximum() - least);
        return QPoint(int(7 + share * double(size.width() - 14)), size.height() / 2);
    };
    pointAt(*slider, handle(from));
    xdo({"mousedown", "1"});
    for (int step = 1; step <= 8; ++step) {
        pointAt(*slider, handle(from + (4.0 - from) * step / 8.0));
    }
    xdo({"mouseup", "1"});
    // Fine adjustment as a person would: arrow keys on the focused slider.
    for (int tries = 0; tries < 8 && onUi([&] { return slider->value(); }) != 4; ++tries) {
        keys(onUi([&] { return slider->value(); }) > 4 ? "Left" : "Right");
    }
    settle(window);
}

void flipABit(MainWindow& window) {
    REQUIRE(waitFor([&] { return window.view("weight")->isVisible(); }));
    auto* strip = onUi([&] { return window.view("weight")->findChild<BitStrip*>(); });
    REQUIRE(strip != nullptr);
    const QPoint sign = onUi([&] { return strip->bitRect(strip->bits() - 1).center().toPoint(); });
    clickAt(*strip, sign);
}

/// Everything that the window is for, in the order of a first afternoon with it.
void playSession(Appearance& appearance) {
    Options options;
    options.size = {1280, 720};
    auto window = openWindow(appearance, options);
    openByDialog(*window);
    chooseTensor(*window, "model.layers.1.mlp.up_proj.weight");
    Document& document = window->document();
    onUi([&] { document.setScheme(Side::A, "absmax:per=row", "Scheme A"); });
    settle(*window);
    const QImage untouched = quietPicture(*window);
    const loupe::ExperimentSpec start = onUi([&] { return document.spec(); });
    const int startIndex = onUi([&] { return document.undoStack().index(); });

    dragBitsToFour(*window);
    CHECK(onUi([&] { return document.scheme(Side::A).toStdString(); }) == "absmax:bits=4,per=row");

    QWidget& heatmap = picture(*window);
    const QPoint middle = onUi([&] { return heatmap.rect().center(); });
    pointAt(heatmap, middle);
    for (int i = 0; i < 12; ++i) {
        xdo({"click", "4"});
    }
    settle(*window);
    CHECK(quietPicture(*window) != untouched);
    clickAt(heatmap, middle + QPoint(11, 7));
    REQUIRE(waitFor([&] { return document.cursor().selected().has_value(); }));
    const Cell cell = onUi([&] { return *document.cursor().selected(); });
    settle(*window);

    const auto codeNow = [&] { return onUi([&] { return document.code(cell.row, cell.col).value(); }); };
    const std::uint64_t code = codeNow();
    flipABit(*window);
    REQUIRE(waitFor([&] { return document.isEdited(cell.row, cell.col); }));
    CHECK(codeNow() != code);
    settle(*window);
    save(*window, "xvfb-edited.png");

    for (int i = 0; i < 20 && onUi([&] { return document.undoStack().index(); }) > startIndex; ++i) {
        keys("ctrl+z");
    }
    CHECK((onUi([&] { return document.spec(); }) == start));
    CHECK(codeNow() == code);
    const QImage before = quietPicture(*window);

    const QString session = QDir::temp().filePath("loupe-xvfb-session.loupe");
    QFile::remove(session);
    keys("ctrl+s");
    answerFileDialog(session);
    REQUIRE(waitFor([&] { return QFile::exists(session); }));
    save(*window, "xvfb-saved.png");
    keys("ctrl+q");
    REQUIRE(waitFor([&] { return !window->isVisible(); }));
    onUi([&] { window.reset(); });

    options.session = session;
    auto reopened = openWindow(appearance, options);
    REQUIRE(waitFor([&] { return reopened->document().weights() != nullptr; }));
    settle(*reopened);
    CHECK((onUi([&] { return reopened->document().spec(); }) == start));
    CHECK((onUi([&] { return reopened->document().cursor().selected(); }) == cell));
    const QImage after = quietPicture(*reopened);
    save(*reopened, "xvfb-reopened.png");
    CHECK(after.size() == before.size());
    CHECK((after == before));
    if (after != before) {  // for whoever has to find out why
        const std::filesystem::path folder = loupe::test::binDir().parent_path();
        before.save(QString::fromStdString((folder / "xvfb-before.png").string()));
        after.save(QString::fromStdString((folder / "xvfb-after.png").string()));
    }
    QFile::remove(session);
    onUi([&] { reopened.reset(); });
}

}  // namespace

TEST_CASE("a session with real windows and real input") {
    REQUIRE(QGuiApplication::platformName() == "xcb");
    QApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
    QApplication::setQuitOnLastWindowClosed(false);
    Appearance appearance;
    appearance.start("dark", 1);
    QEventLoop loop;
    bool completed = false;
    std::thread script([&] {
        try {
            playSession(appearance);
            completed = true;
        } catch (...) {
            // A failed REQUIRE: already reported; what is left of the windows goes with the process.
        }
        QMetaObject::invokeMethod(&loop, &QEventLoop::quit, Qt::QueuedConnection);
    });
    loop.exec();
    script.join();
    CHECK(completed);
}
