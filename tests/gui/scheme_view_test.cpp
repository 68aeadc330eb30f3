// SPDX-License-Identifier: GPL-3.0-or-later
#include <QApplication>
#include <QMouseEvent>
#include <QPushButton>
#include <QSlider>
#include <QTest>

#include <memory>

#include "app/document/analyses.hpp"
#include "app/document/document.hpp"
#include "app/views/scheme_form.hpp"
#include "app/views/step_form.hpp"
#include "app/views/view.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"
#include "tests/support/catch.hpp"

using namespace loupe::app;

namespace {

std::unique_ptr<View> makeView(const char* id, Document& document) {
    for (const ViewDefinition* definition : allViews()) {
        if (qstrcmp(definition->id, id) == 0) {
            return std::unique_ptr<View>(definition->create(document, nullptr));
        }
    }
    return nullptr;
}

void drag(QSlider* slider, int from, int to) {
    const int y = slider->height() / 2;
    QTest::mousePress(slider, Qt::LeftButton, {}, QPoint(from, y));
    QApplication::processEvents();
    for (int x = from; x != to; x += to > from ? 1 : -1) {
        QMouseEvent move(QEvent::MouseMove, QPointF(x, y), slider->mapToGlobal(QPointF(x, y)), Qt::NoButton, Qt::LeftButton,
                         Qt::NoModifier);
        QApplication::sendEvent(slider, &move);
        QApplication::processEvents();
    }
    QTest::mouseRelease(slider, Qt::LeftButton, {}, QPoint(to, y));
    QApplication::processEvents();
}

}  // namespace

TEST_CASE("a slider drag in scheme A is one step of undo") {
    applyTheme(ThemeId::Light, 1);
    Document document;
    document.setScheme(Side::A, "absmax:bits=12,group=128", "start");
    const auto view = makeView("scheme_a", document);
    REQUIRE(view != nullptr);
    view->resize(384, 500);
    view->show();
    QApplication::processEvents();
    auto* form = view->findChild<SchemeForm*>();
    REQUIRE(form != nullptr);
    auto* bits = qobject_cast<NumberField*>(form->stepForm(0)->row("bits")->control());
    REQUIRE(bits != nullptr);
    const int before = document.undoStack().count();
    drag(bits->slider(), bits->slider()->width() - 20, 10);
    CHECK(document.scheme(Side::A) == "absmax:bits=2,group=128");
    CHECK(document.undoStack().count() == before + 1);
    drag(bits->slider(), 10, 40);
    CHECK(document.undoStack().count() == before + 2);
    document.undoStack().undo();
    document.undoStack().undo();
    CHECK(document.scheme(Side::A) == "absmax:bits=12,group=128");
    CHECK(bits->value() == 12);
}

TEST_CASE("schemes A and B are edited apart and swapped in one step") {
    applyTheme(ThemeId::Dark, 1);
    Document document;
    document.setScheme(Side::B, "zeropoint:bits=4,group=64", "start");
    const auto view = makeView("scheme_b", document);
    view->show();
    auto* form = view->findChild<SchemeForm*>();
    form->stepForm(0)->enter("bits", "3");
    CHECK(document.scheme(Side::B) == "zeropoint:bits=3,group=64");
    CHECK(document.scheme(Side::A).isEmpty());
    CHECK(view->accessibleName().startsWith("Scheme B"));
    CHECK(view->copyText().contains("zeropoint:bits=3,group=64"));
    for (QAction* action : view->headerActions()) {
        if (action->text() == "Swap A and B") {
            action->trigger();
        }
    }
    CHECK(document.scheme(Side::A) == "zeropoint:bits=3,group=64");
    CHECK(document.scheme(Side::B).isEmpty());
    CHECK(form->scheme().empty());
}

TEST_CASE("the error table shows measured numbers, marks the better one and says what output error needs") {
    applyTheme(ThemeId::Light, 1);
    Document document;
    document.setScheme(Side::A, "absmax:bits=4,group=128", "A");
    document.setScheme(Side::B, "absmax:bits=8,group=128", "B");
    const auto view = makeView("error_table", document);
    const auto usage = makeView("code_usage", document);
    view->resize(384, 400);
    usage->resize(384, 170);
    view->show();
    usage->show();
    CHECK(view->copyText().isEmpty());
    document.open("synthetic:student?rows=64&cols=256");
    REQUIRE(QTest::qWaitFor([&] {
        return document.tensor() != nullptr && document.analyses().scheme(Side::A).value && document.analyses().scheme(Side::B).value;
    }, 20000));
    QApplication::processEvents();
    auto* table = view->findChild<NumberTable*>();
    REQUIRE(table != nullptr);
    const auto a = document.analyses().scheme(Side::A).value;
    const auto b = document.analyses().scheme(Side::B).value;
    CHECK(table->item(0, 1)->text() == "4.125");
    CHECK(table->item(0, 2)->text() == "8.125");
    CHECK(table->item(2, 1)->text() == formatNumber(a->metrics.mse));
    CHECK(table->item(2, 2)->text() == formatNumber(b->metrics.mse));
    CHECK(table->item(2, 2)->data(NumberTable::kDotRole).toBool());
    CHECK(!table->item(2, 1)->data(NumberTable::kDotRole).toBool());
    CHECK(!table->item(0, 1)->data(NumberTable::kDotRole).toBool());
    for (int row = 0; row < table->rowCount(); ++row) {
        CHECK(table->item(row, 0)->toolTip().size() > 10);
    }
    CHECK(view->copyText().startsWith("metric\tA\tB\nBits per weight\t4.125\t8.125\n"));
    CHECK(usage->copyText().startsWith("side\tcode\tcount\nA\t-7\t"));
    const QStringList lines = usage->copyText().split('\n', Qt::SkipEmptyParts);
    qint64 total = 0;
    for (const QString& line : lines) {
        if (line.startsWith("A\t")) {
            total += line.section('\t', 2).toLongLong();
        }
    }
    CHECK(total == 64 * 256);
}

TEST_CASE("the panels of the schemes hold at twice the font and in every theme") {
    const ThemeId id = GENERATE(ThemeId::Dark, ThemeId::Light, ThemeId::Projector);
    applyTheme(id, 2);
    Document document;
    document.setScheme(Side::A, "absmax:bits=4,group=128,clip=percentile", "A");
    for (const char* name : {"scheme_a", "scheme_b", "error_table", "code_usage"}) {
        CAPTURE(name);
        const auto view = makeView(name, document);
        REQUIRE(view != nullptr);
        view->resize(384, 500);
        view->show();
        view->refresh(Change::All);
        QApplication::processEvents();
        CHECK(!view->grab().isNull());
        CHECK(view->minimumSizeHint().width() <= 384);
        view->restore({});
    }
    applyTheme(ThemeId::Light, 1);
}
