// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/cursor.hpp"
#include "app/document/edited_rows.hpp"
#include "app/document/history.hpp"
#include "app/jobs/job_manager.hpp"
#include "core/formats/codec.hpp"
#include "tests/gui/gui_document.hpp"

#include <QSignalSpy>

#include <bit>

using namespace loupe;
using namespace loupe::app;
using loupe::test::openAndWait;
using loupe::test::settled;

namespace {

const QString kSmall = "synthetic:gaussian?rows=16&cols=32";

float at(const RowSource& source, std::int64_t row, std::int64_t col) {
    std::vector<float> values(static_cast<std::size_t>(source.cols()));
    REQUIRE(source.read(row, 1, values.data()).has_value());
    return values[static_cast<std::size_t>(col)];
}

}  // namespace

TEST_CASE("document: undo and redo restore every state exactly") {
    Document document;
    openAndWait(document, kSmall);
    std::vector<ExperimentSpec> states{document.spec()};
    document.setScheme(Side::A, "absmax:bits=4", "Bits");
    states.push_back(document.spec());
    document.setScheme(Side::B, "zeropoint", "Method");
    states.push_back(document.spec());
    document.edit("Threshold", [](ExperimentSpec& spec) { spec.outlierThreshold = 4.5; });
    states.push_back(document.spec());
    const int steps = document.undoStack().count();
    CHECK(steps == 4);  // the open too
    for (std::size_t i = states.size(); i-- > 1;) {
        CHECK(document.spec() == states[i]);
        document.undoStack().undo();
        CHECK(document.spec() == states[i - 1]);
    }
    for (std::size_t i = 1; i < states.size(); ++i) {
        document.undoStack().redo();
        CHECK(document.spec() == states[i]);
    }
    document.edit("Nothing", [](ExperimentSpec&) {});
    CHECK(document.undoStack().count() == steps);
}

TEST_CASE("document: a slider's edits are one undo step until it is released") {
    Document document;
    openAndWait(document, kSmall);
    const int before = document.undoStack().count();
    for (const char* scheme :
         {"absmax:bits=7", "absmax:bits=6", "absmax:bits=5", "absmax:bits=4"}) {
        document.setScheme(Side::A, scheme, "Bits", 7);
    }
    CHECK(document.undoStack().count() == before + 1);
    document.endMerge();
    document.setScheme(Side::A, "absmax:bits=3", "Bits", 7);
    CHECK(document.undoStack().count() == before + 2);
    document.undoStack().undo();
    CHECK(document.scheme(Side::A) == "absmax:bits=4");
    document.undoStack().undo();
    CHECK(document.scheme(Side::A).isEmpty());
}

TEST_CASE("document: undoing an open brings the checkpoint before back") {
    Document document;
    openAndWait(document, kSmall);
    const auto first = document.source();
    openAndWait(document, "synthetic:student?rows=8&cols=8");
    REQUIRE(QTest::qWaitFor([&] { return document.source() && document.source() != first; },
                            test::kPatience));
    document.undoStack().undo();
    CHECK(document.source() == first);
    REQUIRE(document.weights());
    CHECK(document.weights()->rows() == 16);
    document.undoStack().undo();
    CHECK_FALSE(document.source());
    CHECK_FALSE(document.weights());
    CHECK_FALSE(document.tensorIndex());
}

TEST_CASE("document: a flipped bit reads everywhere and its undo leaves nothing behind") {
    Document document;
    openAndWait(document, kSmall);
    REQUIRE(document.weights());
    const float value = at(*document.weights(), 3, 5);
    const auto code = document.code(3, 5);
    REQUIRE(code);
    CHECK(decode(*document.tensor()->type->format, *code) == static_cast<double>(value));
    const std::uint64_t sign = std::uint64_t{1} << (document.tensor()->type->bits - 1);
    document.setCode(3, 5, *code ^ sign);
    CHECK(at(*document.weights(), 3, 5) == -value);
    CHECK(at(*document.weights(), 3, 4) != -at(*document.weights(), 3, 4));
    CHECK(document.isEdited(3, 5));
    CHECK_FALSE(document.isEdited(3, 6));
    CHECK_FALSE(document.weights()->raw());
    CHECK(document.code(3, 5) == (*code ^ sign));
    document.setCode(3, 5, *code);  // back by hand: no edit is left
    CHECK(document.spec().edits.empty());
    CHECK(at(*document.weights(), 3, 5) == value);
    document.undoStack().undo();
    CHECK(at(*document.weights(), 3, 5) == -value);
    document.undoStack().undo();
    CHECK(at(*document.weights(), 3, 5) == value);
}

TEST_CASE("document: edits of a transposed tensor are kept where it is stored") {
    TensorInfo info;
    info.name = "w";
    info.type = findStorageType("fp32");
    info.rows = 2;  // [out, in] = [2, 3], stored [3, 2]
    info.cols = 3;
    info.transposed = true;
    CHECK(storedIndex(info, 1, 2) == 5);
    const auto base = makeRowSource(2, 3, std::vector<float>{0, 1, 2, 10, 11, 12});
    const std::vector<Edit> edits{
        {"w", storedIndex(info, 1, 0), std::bit_cast<std::uint32_t>(7.0F)},
        {"other", 0, 0},
        {"w", 99, 0}};
    const auto edited = withEdits(base, info, edits);
    CHECK(at(*edited, 1, 0) == 7.0F);
    CHECK(at(*edited, 0, 1) == 1.0F);
    CHECK(withEdits(base, info, {}) == base);
}

TEST_CASE("document: what cannot be opened says why, and the rest goes on") {
    Document document;
    openAndWait(document, "/nowhere/at/all.safetensors");
    REQUIRE(document.openError());
    CHECK_FALSE(document.openError()->what.empty());
    CHECK_FALSE(document.opening());
    const Lookup<TensorStats> stats = document.analyses().stats();
    CHECK(stats.error == document.openError());
    openAndWait(document, kSmall);
    REQUIRE(QTest::qWaitFor([&] { return document.source() != nullptr; }, test::kPatience));
    CHECK_FALSE(document.openError());
}

TEST_CASE(
    "analyses: results arrive, are cached by their whole input, and failures are remembered") {
    Document document;
    openAndWait(document, kSmall);
    QSignalSpy changed(&document, &Document::changed);
    document.setScheme(Side::A, "absmax:bits=4", "Bits");
    CHECK(document.analyses().scheme(Side::A).pending);
    CHECK(document.analyses().plane(Quantity::Error, Side::A).pending);
    CHECK_FALSE(document.analyses().idle());
    REQUIRE(settled(document));
    CHECK(changed.size() >= 3);
    const auto four = document.analyses().scheme(Side::A).value;
    REQUIRE(four);
    REQUIRE(document.analyses().plane(Quantity::Error, Side::A).value);
    document.setScheme(Side::A, "absmax:bits=3", "Bits");
    const Lookup<SchemeResult> next = document.analyses().scheme(Side::A);
    CHECK(next.pending);
    CHECK(next.stale == four);  // the old picture stays
    REQUIRE(settled(document));
    document.undoStack().undo();
    CHECK(document.analyses().scheme(Side::A).value == four);  // at once
    // Swapped sides share their results.
    document.setScheme(Side::B, "absmax:bits=4", "Method");
    CHECK(document.analyses().scheme(Side::B).value == four);
    document.setScheme(Side::A, "", "None");
    const Lookup<SchemeResult> none = document.analyses().scheme(Side::A);
    CHECK((!none.value && !none.pending && !none.error));
}

TEST_CASE(
    "analyses: the error plane is scheme minus original and A against B is signed by who is "
    "closer") {
    Document document;
    openAndWait(document, kSmall);
    document.setScheme(Side::A, "absmax:bits=4", "A");
    document.setScheme(Side::B, "absmax:bits=8", "B");
    for (const Quantity quantity :
         {Quantity::Error, Quantity::Difference, Quantity::SchemesDiffer, Quantity::Codes}) {
        static_cast<void>(document.analyses().plane(quantity, Side::A));
    }
    REQUIRE(settled(document));
    const auto row = [&](Quantity quantity) {
        const auto plane = document.analyses().plane(quantity, Side::A).value;
        REQUIRE(plane);
        std::vector<float> values(32);
        REQUIRE(plane->fill(2, 1, values.data()).has_value());
        return values;
    };
    const auto a = document.analyses().scheme(Side::A).value;
    const auto b = document.analyses().scheme(Side::B).value;
    REQUIRE((a && b));
    const auto error = row(Quantity::Error);
    const auto closer = row(Quantity::Difference);
    const auto differ = row(Quantity::SchemesDiffer);
    const auto codes = row(Quantity::Codes);
    for (std::int64_t col = 0; col < 32; ++col) {
        const auto i = static_cast<std::size_t>(col);
        const float w = at(*document.weights(), 2, col);
        const float wa = at(*a->quantized, 2, col);
        const float wb = at(*b->quantized, 2, col);
        CHECK(error[i] == wa - w);
        CHECK(differ[i] == wa - wb);
        CHECK(closer[i] == std::fabs(wb - w) - std::fabs(wa - w));
        CHECK(codes[i] == std::round(codes[i]));
        CHECK(std::fabs(codes[i]) <= 7);
    }
}

TEST_CASE("analyses: a flipped bit changes the statistics, its undo brings the old ones back") {
    Document document;
    openAndWait(document, kSmall);
    static_cast<void>(document.analyses().stats());
    REQUIRE(settled(document));
    const auto before = document.analyses().stats().value;
    REQUIRE(before);
    document.setCode(0, 0, std::bit_cast<std::uint32_t>(100.0F));
    CHECK(document.analyses().stats().pending);
    REQUIRE(settled(document));
    REQUIRE(document.analyses().stats().value);
    CHECK(document.analyses().stats().value->max == 100.0);
    document.undoStack().undo();
    CHECK(document.analyses().stats().value == before);
}

TEST_CASE("analyses: a scan fills in what the tree shows") {
    Document document;
    openAndWait(document, "synthetic:outliers?rows=64&cols=128");
    document.analyses().scanAll();
    REQUIRE(QTest::qWaitFor([&] { return !document.analyses().scanning(); }, test::kPatience));
    for (std::size_t i = 0; i < document.source()->tensors().size(); ++i) {
        const auto stats = document.analyses().knownStats(i);
        REQUIRE(stats);
        CHECK(stats->values.values.size() <= 96);
        CHECK(stats->colRanges.absmax.size() == 128);
        CHECK(stats->crestFactor() > 1);
    }
    CHECK_FALSE(document.analyses().knownStats(99));
}

TEST_CASE("analyses: the document can go in the middle of work") {
    for (int i = 0; i < 5; ++i) {
        auto document = std::make_unique<Document>();
        openAndWait(*document, "synthetic:student?rows=2048&cols=2048");
        document->setScheme(Side::A, "absmax:bits=4,per=group,clip=mse", "A");
        static_cast<void>(document->analyses().plane(Quantity::Difference, Side::A));
        static_cast<void>(document->analyses().stats());
        document->analyses().scanAll();
        QTest::qWait(i * 7);
        if (i % 2 == 0) {
            document->edit("Another",
                           [](ExperimentSpec& spec) { spec.source = "synthetic:gaussian"; });
            QTest::qWait(3);
        }
        document.reset();
    }
}

TEST_CASE("cursor: signals only what changed, pins keep their numbers") {
    Cursor cursor;
    QSignalSpy hovered(&cursor, &Cursor::hoverChanged);
    cursor.setHover(Cell{1, 2});
    cursor.setHover(Cell{1, 2});
    CHECK(hovered.size() == 1);
    const int first = cursor.addPin({1, 1}, "one");
    const int second = cursor.addPin({2, 2});
    CHECK(second == first + 1);
    cursor.removePin(first);
    CHECK(cursor.pins().size() == 1);
    CHECK(cursor.addPin({3, 3}) == second + 1);
    cursor.setPins({{9, {0, 0}, {}}});
    CHECK(cursor.addPin({3, 3}) == 10);
}

TEST_CASE("history: back and forward walk tensors and cells") {
    Document document;
    History history(document);
    openAndWait(document, "synthetic:outliers?rows=32&cols=32");
    CHECK_FALSE(history.canGoBack());
    document.cursor().select(Cell{1, 1});
    document.cursor().select(Cell{2, 2});
    document.edit("Select", [](ExperimentSpec& spec) { spec.tensor = "activations"; });
    REQUIRE(history.canGoBack());
    history.back();
    CHECK(document.spec().tensor == "weight");
    CHECK(document.cursor().selected() == Cell{2, 2});
    history.back();
    CHECK(document.cursor().selected() == Cell{1, 1});
    history.forward();
    history.forward();
    CHECK(document.spec().tensor == "activations");
    CHECK_FALSE(history.canGoForward());
}
