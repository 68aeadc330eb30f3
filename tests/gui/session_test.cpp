// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/session.hpp"

#include "app/document/cursor.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/file_commands.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/notice_bar.hpp"
#include "app/shell/session_keeper.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonDocument>
#include <QLineEdit>

using namespace loupe;
using namespace loupe::app;

namespace {

QString scratch(const QString& name) {
    return QString::fromStdString((test::scratchDir() / name.toStdString()).string());
}

Session example() {
    Session session;
    session.spec.source = "synthetic:outliers?rows=32&cols=64";
    session.spec.tensor = "weight";
    session.spec.schemeA = "absmax:bits=4";
    session.spec.outlierThreshold = 2.25;
    session.spec.edits = {{"weight", 7, 0xFFFFFFFFFFFFFFFEULL}, {"weight", 8, 3}};
    session.pins = {{4, {1, 2}, QStringLiteral("see “here”")}};
    session.selected = Cell{3, 60};
    session.layout = QByteArray("\0\1\xff", 3);
    session.viewState = {{QStringLiteral("tensor_tree"),
                          QJsonObject{{QStringLiteral("filter"), QStringLiteral("w*")}}}};
    return session;
}

void waitFor(MainWindow& window) {
    REQUIRE(QTest::qWaitFor(
        [&] {
            return window.document().source() != nullptr && window.document().analyses().idle();
        },
        test::kPatience));
}

}  // namespace

TEST_CASE("session: everything comes back from its JSON, 64-bit codes too") {
    const Session session = example();
    const Result<Session> again = sessionFromJson(toJson(session));
    REQUIRE(again.has_value());
    CHECK(*again == session);
    const Result<Session> empty = sessionFromJson(toJson(Session{}));
    REQUIRE(empty.has_value());
    CHECK(*empty == Session{});
}

TEST_CASE("session: what is not a session is refused with a reason") {
    const QByteArray good = toJson(example());
    for (qsizetype size = 0; size < good.size() - 2; size += 7) {
        CHECK_FALSE(sessionFromJson(good.left(size)).has_value());
    }
    for (const char* text : {"",
                             "[]",
                             "{}",
                             R"({"version":0,"spec":"{}"})",
                             R"({"version":1})",
                             R"({"version":1,"spec":7})",
                             R"({"version":1,"spec":"not json"})"}) {
        CAPTURE(text);
        const Result<Session> read = sessionFromJson(text);
        REQUIRE_FALSE(read.has_value());
        CHECK_FALSE(read.error().what.empty());
    }
    const Result<Session> later = sessionFromJson(R"({"version":99,"spec":"{}"})");
    REQUIRE_FALSE(later.has_value());
    CHECK(later.error().code == ErrorCode::Unsupported);
    CHECK(loadSession("/nowhere/x.loupe").error().code == ErrorCode::NotFound);
}

TEST_CASE("session: a window saved, closed and opened again shows the same") {
    Appearance appearance;
    appearance.start("light", 1);
    const QString file = scratch("round.loupe");
    ExperimentSpec spec;
    QJsonObject views;
    {
        MainWindow window(appearance, scratch("running1"));
        Options options;
        options.paths << "synthetic:outliers?rows=64&cols=128";
        options.schemeA = "absmax:bits=4";
        options.size = QSize(1600, 900);
        window.start(options);
        window.show();
        waitFor(window);
        window.document().setScheme(Side::B, "zeropoint:bits=3", "Method");
        window.document().setCode(2, 3, 0x40490FDB);
        window.document().cursor().select(Cell{2, 3});
        window.document().cursor().addPin({5, 6}, "pin");
        REQUIRE(
            QTest::qWaitFor([&] { return window.document().analyses().idle(); }, test::kPatience));
        REQUIRE(window.sessions().saveTo(file));
        spec = window.document().spec();
        views = window.saveViews();
    }
    MainWindow window(appearance, scratch("running2"));
    Options options;
    options.session = file;
    options.size = QSize(1600, 900);
    window.start(options);
    window.show();
    waitFor(window);
    CHECK(window.document().spec() == spec);
    CHECK(window.document().cursor().selected() == Cell{2, 3});
    REQUIRE(window.document().cursor().pins().size() == 1);
    CHECK(window.document().cursor().pins()[0].note == "pin");
    CHECK(window.document().isEdited(2, 3));
    CHECK(window.saveViews().keys() == views.keys());
    CHECK(window.document().undoStack().count() == 0);
}

TEST_CASE("session: a run that did not end by itself is offered, one that did is not") {
    Appearance appearance;
    appearance.start("light", 1);
    const QString folder = scratch("crash");
    {
        MainWindow window(appearance, folder);
        window.document().open("synthetic:gaussian?rows=8&cols=8");
        waitFor(window);
        window.document().setScheme(Side::A, "absmax:bits=3", "Bits");
        window.sessions().startAutosave(false);
        window.sessions().autosave();
        CHECK(QDir(folder).entryList({"*.loupe"}).size() == 1);
        // Destroyed without finish(): as after a crash, but for the lock, which a dead process no
        // longer holds.
    }
    {
        MainWindow window(appearance, folder);
        REQUIRE(window.sessions().crashed().size() == 1);
        window.show();
        window.sessions().startAutosave(true);
        REQUIRE(window.notices().text().contains("Restore the session"));
        window.notices().act();
        waitFor(window);
        CHECK(window.document().scheme(Side::A) == "absmax:bits=3");
        CHECK(window.sessions().crashed().isEmpty());
        window.sessions().autosave();
        window.sessions().finish();
    }
    CHECK(QDir(folder).entryList({"*.loupe"}).isEmpty());
}

TEST_CASE(
    "session: a checkpoint that moved beside the session is found, one that is gone is asked for") {
    const QString folder = scratch("moved");
    QDir().mkpath(folder);
    QFile csv(folder + "/m.csv");
    REQUIRE(csv.open(QIODevice::WriteOnly));
    csv.write("1,2\n3,4\n");
    csv.close();
    Session session;
    session.spec.source = "/nowhere/m.csv";
    REQUIRE(saveSession(session, folder + "/s.loupe").has_value());
    const Result<Session> found = loadSession(folder + "/s.loupe");
    REQUIRE(found.has_value());
    CHECK(QFileInfo(QString::fromStdString(found->spec.source)) == QFileInfo(folder + "/m.csv"));

    session.spec.source = "/nowhere/gone.safetensors";
    REQUIRE(saveSession(session, folder + "/gone.loupe").has_value());
    Appearance appearance;
    appearance.start("light", 1);
    MainWindow window(appearance, scratch("running3"));
    window.show();
    REQUIRE(window.sessions().open(folder + "/gone.loupe"));
    REQUIRE(QTest::qWaitFor([&] { return window.document().openError().has_value(); },
                            test::kPatience));
    CHECK(window.notices().text().contains("gone.safetensors"));
    CHECK(window.document().spec().source == "/nowhere/gone.safetensors");
}

TEST_CASE("session: a changed checkpoint is noticed") {
    const QString path = scratch("changing.csv");
    const auto write = [&](const char* text) {
        QFile file(path);
        REQUIRE(file.open(QIODevice::WriteOnly));
        file.write(text);
    };
    write("1,2\n");
    Session session;
    session.spec.source = path.toStdString();
    stampSource(session);
    CHECK(session.sourceBytes == 4);
    CHECK(sourceChange(session).isEmpty());
    write("1,2,3\n");
    CHECK_FALSE(sourceChange(session).isEmpty());
}
