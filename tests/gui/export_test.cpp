// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/export.hpp"

#include "app/views/channel_error_view.hpp"
#include "app/views/histogram_view.hpp"
#include "app/views/outliers_view.hpp"
#include "app/views/weight_view.hpp"
#include "core/base/version.hpp"
#include "tests/gui/panels_fixture.hpp"
#include "tests/support/paths.hpp"

#include <QFile>
#include <QImageReader>
#include <QRegularExpression>

using namespace loupe;
using namespace loupe::app;
using loupe::test::Panels;

namespace {

QByteArray readAll(const QString& path) {
    QFile file(path);
    REQUIRE(file.open(QIODevice::ReadOnly));
    return file.readAll();
}

QString scratch(const QString& name) {
    return QString::fromStdString((loupe::test::scratchDir() / name.toStdString()).string());
}

/// SVG with text and without pictures; PDF with fonts and without pictures; PNG with the schemes;
/// the numbers.
void checkExports(View& view) {
    const QString base = scratch(view.objectName());
    CAPTURE(base.toStdString());
    REQUIRE(view.canExport());
    QString problem;
    const bool done = exportView(view, base + ".svg", {}, &problem);
    INFO(problem.toStdString());
    REQUIRE(done);
    const QByteArray svg = readAll(base + ".svg");
    CHECK(svg.contains("<text"));
    CHECK(!svg.contains("<image"));
    CHECK(svg.contains("absmax:bits=4,group=128"));
    REQUIRE(exportView(view, base + ".pdf"));
    const QByteArray pdf = readAll(base + ".pdf");
    CHECK(pdf.startsWith("%PDF"));
    CHECK(pdf.contains("/Font"));
    // Patterns of the bit fields are small tiles; the page itself is no image.
    const QRegularExpression width("/Width (\\d+)");
    QRegularExpressionMatchIterator images = width.globalMatch(QString::fromLatin1(pdf));
    while (images.hasNext()) {
        CHECK(images.next().captured(1).toInt() <= 64);
    }
    ExportOptions options;
    options.scale = 2;
    REQUIRE(exportView(view, base + ".png", options));
    const QImage image(base + ".png");
    CHECK(image.text("Scheme A") == "absmax:bits=4,group=128");
    CHECK(image.text("Software") == QString("Tensorloupe %1").arg(kVersion));
    CHECK(image.width() >= int(view.exportSize().width()) * 2);
    REQUIRE(exportView(view, base + ".tsv"));
    CHECK(QString::fromUtf8(readAll(base + ".tsv")) == view.copyText());
    REQUIRE(exportView(view, base + ".csv"));
    CHECK(QString::fromUtf8(readAll(base + ".csv")) == csvFromTsv(view.copyText()));
}

}  // namespace

TEST_CASE("every panel exports as vectors with text, with metadata and numbers") {
    Panels panels("synthetic:outliers?rows=64&cols=256&dtype=bf16",
                  "absmax:bits=4,group=128",
                  "zeropoint:bits=4");
    panels.document.cursor().select(Cell{5, 9});
    checkExports(*panels.show<HistogramView>({424, 300}));
    checkExports(*panels.show<OutliersView>({300, 300}));
    checkExports(*panels.show<WeightView>({480, 300}));
    checkExports(*panels.show<ChannelErrorView>({424, 300}));
}

TEST_CASE("an export leaves the theme on screen as it was and uses light colours") {
    Panels panels("synthetic:student?rows=32&cols=64");
    applyTheme(ThemeId::Dark, 1);
    const auto view = panels.show<HistogramView>({300, 200});
    const QImage before = view->grab().toImage();
    const QImage light = renderView(*view);
    CHECK(Theme::current().id == ThemeId::Dark);
    CHECK(light.pixelColor(2, 2) == Theme::make(ThemeId::Light).canvas);
    ExportOptions asShown;
    asShown.theme.reset();
    CHECK(renderView(*view, asShown).pixelColor(2, 2) == Theme::make(ThemeId::Dark).canvas);
    QTest::qWait(30);
    CHECK(view->grab().toImage() == before);
}

TEST_CASE("the page of the selected weight is light in a dark session") {
    Panels panels("synthetic:student?rows=32&cols=64&dtype=bf16", "absmax:bits=4");
    applyTheme(ThemeId::Dark, 1);
    panels.document.cursor().select(Cell{1, 2});
    const auto view = panels.show<WeightView>({300, 200});
    const QImage image = renderView(*view);
    REQUIRE(!image.isNull());
    qint64 dark = 0;
    for (int y = 0; y < image.height(); ++y) {
        for (int x = 0; x < image.width(); ++x) {
            dark += qGray(image.pixel(x, y)) < 60 ? 1 : 0;
        }
    }
    CHECK(dark * 20 < qint64(image.width()) * image.height());
    // The page uses its width: something is drawn near the right edge (the table's errors).
    bool right = false;
    for (int y = 0; y < image.height(); ++y) {
        for (int x = image.width() - 120; x < image.width() - 40; ++x) {
            right = right || qGray(image.pixel(x, y)) < 140;
        }
    }
    CHECK(right);
    view->show();
    panels.settle();
    CHECK(Theme::current().id == ThemeId::Dark);
}

TEST_CASE("failed exports say why and leave nothing behind") {
    Panels panels("synthetic:student?rows=32&cols=64");
    const auto view = panels.show<HistogramView>({300, 200});
    QString problem;
    CHECK(!exportView(*view, scratch("no/such/folder/x.png"), {}, &problem));
    CHECK(problem.contains("no/such/folder"));
    CHECK(!exportView(*view, scratch("x.jpeg"), {}, &problem));
    CHECK(problem.contains(".svg"));
    CHECK(!QFile::exists(scratch("x.jpeg")));
    ExportDialog dialog(*view);
    dialog.show();
    QTest::qWait(20);
    CHECK(!dialog.exportTo(scratch("no/such/folder/x.svg")));
    CHECK(dialog.findChild<QWidget*>("problem")->isVisible());
    CHECK(dialog.exportTo(scratch("dialog.svg")));
    CHECK(QFile::exists(scratch("dialog.svg")));
}

TEST_CASE("CSV quotes only what needs quotes") {
    CHECK(csvFromTsv("a\tb\n1\tx,y\n2\tsay \"no\"\n") == "a,b\n1,\"x,y\"\n2,\"say \"\"no\"\"\"\n");
}
