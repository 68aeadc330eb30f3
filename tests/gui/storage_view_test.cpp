// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/view.hpp"
#include "app/widgets/number_table.hpp"
#include "tests/gui/panels_fixture.hpp"

#include <QLabel>

#include <algorithm>
#include <cmath>

using namespace loupe;
using namespace loupe::app;

namespace {

std::unique_ptr<View> storageView(Document& document) {
    const auto& views = allViews();
    const auto found = std::find_if(views.begin(), views.end(), [](const ViewDefinition* view) {
        return std::string_view(view->id) == "storage";
    });
    REQUIRE(found != views.end());
    return std::unique_ptr<View>((*found)->create(document, nullptr));
}

QStringList textsOf(const View& view, const char* name) {
    QStringList texts;
    for (const QLabel* label : view.findChildren<QLabel*>(name)) {
        if (label->isVisibleTo(&view)) {
            texts << label->text();
        }
    }
    return texts;
}

/// Cells of the row that starts so, of side A or B.
QStringList lineOf(const View& view, QChar side, const QString& name) {
    for (const QString& line : view.copyText().split(QLatin1Char('\n'))) {
        const QStringList cells = line.split(QLatin1Char('\t'));
        if (cells.size() == 5 && cells[0] == QString(side) && cells[1] == name) {
            return cells;
        }
    }
    return {};
}

}  // namespace

TEST_CASE("storage view: every layout of a mask, the smallest marked, why N:M is none") {
    test::Panels panels("synthetic:gaussian?rows=64&cols=64",
                        "magnitude:sparsity=0.5+absmax:bits=8,per=row",
                        "magnitude:pattern=2:4");
    const auto view = storageView(panels.document);
    view->resize(320, 700);
    view->show();
    panels.settle();
    const QStringList sums = textsOf(*view, "sum");
    REQUIRE(sums.size() == 2);
    CHECK(sums[0] == QString::fromUtf8("8 \u00b7 0.5 + 0.25 + 1 = 5.25 bits per weight"));
    CHECK(lineOf(*view, 'A', "bitmask")[2].toDouble() == 5.25);
    CHECK(lineOf(*view, 'A', "bitmask")[3].toDouble() == 5.25 * 4096 / 8);
    CHECK_THAT(lineOf(*view, 'A', "bitmask")[4].toDouble(),
               Catch::Matchers::WithinAbs(32 / 5.25, 1e-9));
    CHECK(lineOf(*view, 'A', "dense")[2].toDouble() == 8.25);
    CHECK(lineOf(*view, 'A', "CSR 16")[2].toDouble() == 24 * .5 + .5 + .25);
    CHECK(lineOf(*view, 'A', "2:4")[2].isEmpty());
    CHECK(lineOf(*view, 'B', "2:4")[2].toDouble() == 17);
    const QStringList notes = textsOf(*view, "notes");
    REQUIRE(notes.size() == 2);
    CHECK(notes[0].contains("Not 2:4: row 0, columns"));
    CHECK(notes[0].contains("Here: " + formatPercent(0.5, 1)));
    CHECK_FALSE(notes[1].contains("Not 2:4"));
    const auto tables = view->findChildren<NumberTable*>();
    REQUIRE(tables.size() == 2);
    CHECK(tables[0]->item(0, 0)->text() == "dense");
    CHECK(tables[0]->item(1, 0)->text() == QString::fromUtf8("bitmask \u25cf"));
    CHECK(tables[1]->item(4, 0)->text() == QString::fromUtf8("2:4 \u25cf"));
}

TEST_CASE("storage view: a quantizer in parts, errors and no scheme") {
    test::Panels panels("synthetic:gaussian?rows=64&cols=64", "absmax:bits=4,group=64");
    const auto view = storageView(panels.document);
    view->resize(320, 700);
    view->show();
    panels.settle();
    CHECK(textsOf(*view, "sum") == QStringList{"4 + 0.25 = 4.25 bits per weight"});
    CHECK(lineOf(*view, 'A', "codes")[2].toDouble() == 4);
    CHECK(lineOf(*view, 'A', "scales, zero points")[2].toDouble() == .25);
    CHECK(lineOf(*view, 'A', "together")[3].toDouble() == 4.25 * 512);
    CHECK(textsOf(*view, "notes")[0].contains("No mask"));
    panels.document.setScheme(Side::A, "gradient", "needs what is not there");
    panels.settle();
    CHECK(textsOf(*view, "sum") == QStringList{"The scheme could not be applied."});
    panels.document.setScheme(Side::A, {}, "none");
    panels.settle();
    CHECK(textsOf(*view, "sum").isEmpty());
    CHECK(view->copyText().isEmpty());
}
