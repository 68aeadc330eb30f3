// SPDX-License-Identifier: GPL-3.0-or-later
// The block microscope, and the choice between stored tensors and the weights that they make.
#include "app/document/session.hpp"
#include "app/views/cell_access.hpp"
#include "app/views/microscope_view.hpp"
#include "app/views/tensor_tree_model.hpp"
#include "app/widgets/block_cells.hpp"
#include "app/widgets/block_struct.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/hex_grid.hpp"
#include "app/widgets/messages.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/io/safetensors_writer.hpp"
#include "tests/gui/panels_fixture.hpp"
#include "tests/support/paths.hpp"
#include "tests/unit/io/gguf_builder.hpp"

#include <QAbstractItemModelTester>
#include <QAction>
#include <QComboBox>
#include <QLabel>
#include <QPainter>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTreeView>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>

using namespace loupe;
using namespace loupe::app;
using loupe::test::Panels;

namespace {

constexpr std::int64_t kCols = 1024;
constexpr std::int64_t kRows = 6;

/// Uneven values, the same on every run.
float sample(std::int64_t i) {
    const auto x = static_cast<double>(i);
    return static_cast<float>(0.02 * std::sin(x * 0.37) * (1.0 + static_cast<double>(i % 97) / 20) +
                              (i % 211 == 0 ? 0.3 : 0.0));
}

/// A GGUF file with one matrix stored in blocks and one vector of FP32.
std::string ggufFile(const std::string& name, const BlockLayout& layout) {
    std::vector<float> values(static_cast<std::size_t>(kRows * kCols));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = sample(static_cast<std::int64_t>(i));
    }
    const std::int64_t blocks = kRows * kCols / layout.elements;
    std::vector<std::byte> bytes(static_cast<std::size_t>(blocks * layout.bytes));
    layout.pack(values.data(), blocks, bytes.data());
    test::GgufBuilder gguf;
    gguf.string("general.architecture", "llama");
    gguf.tensor("blk.0.attn_q.weight",
                {static_cast<std::uint64_t>(kCols), static_cast<std::uint64_t>(kRows)},
                *layout.ggmlType,
                std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    gguf.tensor("output_norm.weight", {8}, 0, std::string(32, '\0'));
    const auto path = test::scratchDir() / name;
    const std::string text = gguf.build();
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
}

std::string readFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string gptqFolder() {
    return (test::goldenDir() / "io/packed/gptq/b4_act_order").string();
}

const BlockLayout& layoutOf(const char* id) {
    const BlockLayout* layout = findBlockLayout(id);
    REQUIRE(layout != nullptr);
    REQUIRE(layout->pack != nullptr);
    return *layout;
}

double valueAt(const Document& document, Cell cell) {
    const std::optional<double> value = cellValue(document, cell);
    REQUIRE(value.has_value());
    return *value;
}

std::size_t partNamed(const MicroscopeView& view, const std::string& name) {
    const auto& parts = view.block()->part().parts;
    const auto found = std::find_if(
        parts.begin(), parts.end(), [&](const BlockPart& part) { return part.name == name; });
    REQUIRE(found != parts.end());
    return static_cast<std::size_t>(found - parts.begin());
}

/// Every control has a name (a label's is its text).
void checkControls(const MicroscopeView& view) {
    for (const QWidget* child : view.findChildren<QWidget*>()) {
        if (child->focusPolicy() == Qt::NoFocus || !child->isVisible() ||
            child->objectName().startsWith("qt_") ||
            qobject_cast<const QLabel*>(child) != nullptr) {
            continue;
        }
        const auto* button = qobject_cast<const QAbstractButton*>(child);
        CAPTURE(child->metaObject()->className());
        CHECK((!child->accessibleName().isEmpty() ||
               (button != nullptr && !button->text().isEmpty())));
    }
}

}  // namespace

TEST_CASE("microscope: a Q4_K weight with its file, bytes, struct and equation") {
    const std::string path = ggufFile("q4_k.gguf", layoutOf("q4_k"));
    const std::string file = readFile(path);
    Panels panels(path);
    REQUIRE(panels.document.tensor()->block != nullptr);
    panels.document.cursor().select(Cell{3, 700});
    const auto view = panels.show<MicroscopeView>({1480, 360});
    REQUIRE(view->block().has_value());
    const BlockView& block = view->block()->view();
    const std::uint64_t offset = block.spans[0].offset;
    // Row 3, block 2 of 4: the 14th block.
    CHECK(offset == *panels.document.tensor()->offset + 14 * 144);
    CHECK(view->placeText().contains("q4_k.gguf"));
    CHECK(view->placeText().contains(formatCount(static_cast<qint64>(offset))));
    CHECK(view->placeText().contains("0x" +
                                     QString::number(offset, 16).toUpper().rightJustified(8, '0')));
    CHECK(view->subtitle().contains("block 14 of 24"));
    CHECK(view->subtitle().contains("columns 512"));
    REQUIRE(view->hexGrid().bytes().size() == 144);
    for (std::size_t i = 0; i < 144; ++i) {
        REQUIRE(view->hexGrid().bytes()[i].value ==
                static_cast<std::uint8_t>(file[static_cast<std::size_t>(offset) + i]));
    }
    // To scale: the codes are 128 of 144 bytes.
    BlockStruct& drawn = view->blockStruct();
    REQUIRE(drawn.fields().size() == 4);
    CHECK(drawn.fields()[3].name == "qs");
    CHECK(std::abs(drawn.fieldRect(3).width() / drawn.fieldRect(2).width() - 128.0 / 12) < 0.01);
    CHECK(drawn.fieldRect(0).width() > 0);
    // The parts' numbers make the value.
    const BlockElement& part = view->block()->part();
    const double d = part.parts[partNamed(*view, "d")].value;
    const double dmin = part.parts[partNamed(*view, "dmin")].value;
    const double sc = part.parts[partNamed(*view, "sc 5")].value;
    const double m = part.parts[partNamed(*view, "m 5")].value;
    const double q = part.parts[partNamed(*view, "q")].value;
    CHECK(static_cast<float>(d * sc) * static_cast<float>(q) - static_cast<float>(dmin * m) ==
          static_cast<float>(part.value));
    CHECK(part.value == valueAt(panels.document, {3, 700}));
    const QString equation = view->equationText();
    CAPTURE(equation.toStdString());
    CHECK(equation.contains(formatExact(part.value)));
    CHECK(equation.contains(QString::number(static_cast<int>(sc))));
    checkControls(*view);
    CHECK(view->copyText().contains("0x" + QString::number(part.parts[0].code, 16).toUpper()));
    CHECK(view->copyText().contains(QString::number(offset)));
}

TEST_CASE("microscope: flipped bits of a block change what they scale, and come back") {
    Panels panels(ggufFile("flips.gguf", layoutOf("q4_k")));
    panels.document.cursor().select(Cell{1, 300});
    const auto view = panels.show<MicroscopeView>({1480, 360});
    REQUIRE(view->block().has_value());
    const std::vector<double> before = view->block()->before();
    const auto steps = panels.document.undoStack().count();
    // One code: one weight.
    BitStrip& code = view->partStrip(partNamed(*view, "q"));
    CHECK(code.bits() == 4);
    emit code.bitToggled(3);
    CHECK(view->block()->effect().changed == 1);
    CHECK(view->block()->effect().most == view->block()->element());
    CHECK(view->block()->part().value != view->block()->originalPart().value);
    CHECK(view->effectText().contains("1 of 256"));
    // The super-scale: every weight that is not zero by its code and minimum.
    const std::size_t d = partNamed(*view, "d");
    emit view->partStrip(d).bitToggled(10);
    const std::vector<double> after = view->block()->view().decode(view->block()->bytes());
    CHECK(view->block()->after() == after);
    std::int64_t changed = 0;
    double squares = 0;
    double most = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
        changed += after[i] != before[i] ? 1 : 0;
        squares += (after[i] - before[i]) * (after[i] - before[i]);
        most = std::max(most, std::fabs(after[i] - before[i]));
    }
    const BlockEffect effect = view->block()->effect();
    CHECK(effect.changed == changed);
    CHECK(changed > 128);
    CHECK(effect.rms == std::sqrt(squares / 256));
    CHECK(std::fabs(effect.mostChange) == most);
    // Nothing of this is in the experiment.
    CHECK(panels.document.undoStack().count() == steps);
    CHECK(panels.document.spec().edits.empty());
    // Another block and back: the flips are still there.
    const auto flipped = view->block()->bytes();
    view->step(true);
    CHECK(panels.document.cursor().selected() == Cell{1, 556});
    CHECK_FALSE(view->block()->isEdited());
    view->step(false);
    CHECK(panels.document.cursor().selected() == Cell{1, 300});
    CHECK(view->block()->bytes() == flipped);
    // Ctrl+Z inside of the view takes them back one by one.
    view->hexGrid().setFocus();
    QTest::keyClick(&view->hexGrid(), Qt::Key_Z, Qt::ControlModifier);
    CHECK(view->block()->effect().changed == 1);
    view->undo();
    CHECK_FALSE(view->block()->isEdited());
    view->redo();
    view->redo();
    CHECK(view->block()->bytes() == flipped);
    view->resetFlips();
    CHECK(view->block()->bytes() == view->block()->original());
    CHECK_FALSE(view->block()->canUndo());
}

TEST_CASE("microscope: bytes, bits and elements by keyboard and mouse") {
    Panels panels(ggufFile("keys.gguf", layoutOf("q4_k")));
    panels.document.cursor().select(Cell{0, 0});
    const auto view = panels.show<MicroscopeView>({1480, 420});
    HexGrid& hex = view->hexGrid();
    hex.setFocus();
    QTest::keyClick(&hex, Qt::Key_Home);
    CHECK(hex.currentByte() == 0);
    CHECK(view->blockStruct().currentField() == 0);
    QTest::keyClick(&hex, Qt::Key_Down);
    CHECK(hex.currentByte() == 16);
    CHECK(view->blockStruct().currentField() == 3);
    CHECK(hex.accessibleDescription().contains("Byte 16"));
    QTest::mouseClick(&hex, Qt::LeftButton, {}, hex.byteRect(35).center().toPoint());
    CHECK(hex.currentByte() == 35);
    // Space on a bit of the chosen byte.
    BitStrip& strip = view->byteStrip();
    strip.setFocus();
    strip.setCurrentBit(7);
    const auto before = view->block()->bytes()[35];
    QTest::keyClick(&strip, Qt::Key_Space);
    CHECK(view->block()->bytes()[35] == (before ^ std::byte{0x80}));
    // Byte 35 holds the codes of elements 19 and 51.
    CHECK(view->block()->effect().most == 51);
    BlockCells& cells = view->cells();
    CHECK(cells.count() == 256);
    QTest::mouseClick(&cells, Qt::LeftButton, {}, cells.cellRect(51).center().toPoint());
    CHECK(panels.document.cursor().selected() == Cell{0, 51});
    CHECK(view->block()->element() == 51);
    CHECK(view->block()->isEdited());
    cells.setFocus();
    QTest::keyClick(&cells, Qt::Key_Right);
    CHECK(panels.document.cursor().selected() == Cell{0, 52});
    QTest::keyClick(&view->blockStruct(), Qt::Key_End);
    QTest::keyClick(&view->blockStruct(), Qt::Key_Left);
    CHECK(view->blockStruct().currentField() == 2);
    CHECK(hex.currentByte() == 4);
    QTest::keyClick(&hex, Qt::Key_N);
    CHECK(panels.document.cursor().selected() == Cell{0, 308});
    QTest::keyClick(&hex, Qt::Key_P);
    QTest::keyClick(&hex, Qt::Key_P);  // the first block has none before it
    CHECK(panels.document.cursor().selected() == Cell{0, 52});
    CHECK_FALSE(view->headerActions()[0]->isEnabled());
    panels.document.cursor().select(Cell{5, 1023});
    CHECK_FALSE(view->headerActions()[1]->isEnabled());
}

TEST_CASE("microscope: the same field in all blocks is counted from the blocks") {
    const BlockLayout& layout = layoutOf("q8_0");
    Panels panels(ggufFile("fields.gguf", layout));
    panels.document.cursor().select(Cell{2, 40});
    const auto view = panels.show<MicroscopeView>({1200, 500});
    REQUIRE(QTest::qWaitFor([&] { return view->fieldPlot().values().has_value(); }, 20000));
    const auto source = panels.document.source();
    const auto collect = [&](std::int64_t firstRow, std::int64_t endRow) {
        std::vector<double> values;
        for (std::int64_t row = firstRow; row < endRow; ++row) {
            for (std::int64_t col = 8; col < kCols; col += layout.elements) {
                const auto at = source->block(0, row, col);
                REQUIRE(at.has_value());
                values.push_back(at->explain(at->bytes, at->element).parts[1].value);
            }
        }
        return values;
    };
    const auto compare = [&](const std::vector<double>& expected) {
        const FieldValues& found = *view->fieldPlot().values();
        CHECK(found.blocks == static_cast<std::int64_t>(expected.size()));
        CHECK(found.low == *std::min_element(expected.begin(), expected.end()));
        CHECK(found.high == *std::max_element(expected.begin(), expected.end()));
        std::uint64_t all = 0;
        for (const std::uint64_t count : found.counts) {
            all += count;
        }
        CHECK(all == expected.size());
        CHECK_FALSE(found.isSampled());
    };
    compare(collect(2, 3));
    view->chooseField("d", true);
    panels.settle();
    REQUIRE(view->fieldPlot().values().has_value());
    compare(collect(0, kRows));
    CHECK(view->fieldPlot().sentence().contains("192 blocks"));
    const QJsonObject state = view->save();
    view->restore({});
    CHECK(view->save()["whole_tensor"].toBool() == false);
    view->restore(state);
    CHECK(view->save() == state);
}

TEST_CASE("microscope: a flipped bit of a plain weight is an edit of the experiment") {
    const auto path = test::scratchDir() / "plain.safetensors";
    std::vector<float> values(24 * 72);
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = sample(static_cast<std::int64_t>(i) + 1);
    }
    SafetensorsWriter writer;
    for (const char* name : {"w", "attn.c_attn.weight"}) {
        writer.add(name, "fp32", {24, 72}, [&](const ByteSink& sink) {
            return sink(std::as_bytes(std::span(values)));
        });
    }
    REQUIRE(writer.write(path).has_value());
    for (const char* name : {"w", "attn.c_attn.weight"}) {
        CAPTURE(name);
        Panels panels(path.string());
        panels.document.edit("Select", [&](ExperimentSpec& spec) { spec.tensor = name; });
        panels.document.cursor().select(Cell{20, 13});
        const auto view = panels.show<MicroscopeView>({900, 500});
        REQUIRE(view->block().has_value());
        const bool turned = panels.document.tensor()->transposed;
        CHECK(turned == (std::string(name) != "w"));
        CHECK(view->block()->view().cells.size() == 16);
        const double before = valueAt(panels.document, {20, 13});
        const auto codeBefore = *panels.document.code(20, 13);
        CHECK(view->block()->part().value == before);
        const std::size_t exponent = partNamed(*view, "exponent");
        emit view->partStrip(exponent).bitToggled(0);
        CHECK(*panels.document.code(20, 13) == (codeBefore ^ 0x800000U));
        CHECK(view->block()->isEdited());
        CHECK(view->block()->part().value == valueAt(panels.document, {20, 13}));
        CHECK(view->block()->effect().elementBefore == before);
        CHECK(view->block()->effect().changed == 1);
        CHECK(view->effectText().contains("whole application"));
        panels.document.undoStack().undo();
        CHECK_FALSE(view->block()->isEdited());
        panels.document.undoStack().redo();
        CHECK(view->block()->isEdited());
        view->resetFlips();
        CHECK(valueAt(panels.document, {20, 13}) == before);
        CHECK(panels.document.spec().edits.empty());
        CHECK(view->equationText().contains("exactly"));
    }
}

TEST_CASE("microscope: a GPTQ weight lies in several tensors") {
    Panels panels(gptqFolder());
    const auto index = panels.document.source()->find("layer.weight");
    REQUIRE(index.has_value());
    panels.document.edit("Select", [](ExperimentSpec& spec) { spec.tensor = "layer.weight"; });
    panels.document.cursor().select(Cell{10, 20});
    const auto view = panels.show<MicroscopeView>({1400, 400});
    REQUIRE(view->block().has_value());
    CHECK(view->block()->part().value == valueAt(panels.document, {10, 20}));
    std::vector<std::string> names;
    for (const BlockSpan& span : view->block()->view().spans) {
        if (names.empty() || names.back() != span.tensor) {
            names.push_back(span.tensor);
        }
    }
    CHECK(std::find(names.begin(), names.end(), "layer.qweight") != names.end());
    CHECK(std::find(names.begin(), names.end(), "layer.scales") != names.end());
    CHECK(view->placeText().contains("tensors"));
    // The file's bytes, piece by piece.
    const auto& info = panels.document.source()->info();
    std::size_t at = 0;
    for (const BlockSpan& span : view->block()->view().spans) {
        const std::string file = readFile(info.files[static_cast<std::size_t>(span.file)].string());
        for (std::int64_t i = 0; i < span.bytes; ++i, ++at) {
            REQUIRE(view->hexGrid().bytes()[at].value ==
                    static_cast<std::uint8_t>(
                        file[static_cast<std::size_t>(span.offset) + static_cast<std::size_t>(i)]));
        }
    }
    CHECK(view->copyText().contains("layer.scales"));
    const BlockElement& part = view->block()->part();
    for (std::size_t i = 0; i < part.parts.size(); ++i) {
        if (part.parts[i].role == BlockRole::Scale) {
            emit view->partStrip(i).bitToggled(9);
            break;
        }
    }
    CHECK(view->block()->effect().changed > 1);
    view->resetFlips();
    checkControls(*view);
}

TEST_CASE("microscope: says why there is nothing to see") {
    Panels panels("synthetic:gaussian?rows=8&cols=8");
    const auto view = panels.show<MicroscopeView>({600, 300});
    CHECK(view->emptyReason().contains("No weight selected"));
    auto* empty = view->findChild<EmptyState*>();
    REQUIRE(empty != nullptr);
    QTest::mouseClick(empty->button(), Qt::LeftButton);
    CHECK(panels.document.cursor().selected() == Cell{0, 0});
    CHECK(view->emptyReason().contains("made up"));
    CHECK(view->copyText().isEmpty());
    CHECK_FALSE(view->canExport());
    panels.document.open(QString::fromStdString((test::goldenDir() / "io/deflated.npz").string()));
    REQUIRE(QTest::qWaitFor([&] { return panels.document.tensor() != nullptr; }, 20000));
    panels.document.cursor().select(Cell{0, 0});
    CHECK(view->emptyReason().contains("compressed"));
}

TEST_CASE("microscope: its page fits every width, theme and font") {
    Panels panels(ggufFile("sizes.gguf", layoutOf("q4_k")));
    panels.document.cursor().select(Cell{3, 700});
    for (const double scale : {1.0, 2.0}) {
        for (const ThemeId theme : {ThemeId::Light, ThemeId::Dark, ThemeId::Projector}) {
            applyTheme(theme, scale);
            for (const QSize size :
                 {QSize(300, 180), QSize(472, 300), QSize(936, 200), QSize(1480, 360)}) {
                CAPTURE(scale, size.width());
                const auto view = panels.show<MicroscopeView>(size);
                const QWidget* content = view->findChild<QWidget*>("microscopeContent");
                REQUIRE(content != nullptr);
                if (size.width() >= 300 * scale) {
                    CHECK(content->width() <= view->width());
                }
                for (const QWidget* part : {static_cast<QWidget*>(&view->hexGrid()),
                                            static_cast<QWidget*>(&view->blockStruct()),
                                            static_cast<QWidget*>(&view->cells()),
                                            static_cast<QWidget*>(&view->byteStrip())}) {
                    const QRect place(part->mapTo(content, QPoint()), part->size());
                    CHECK(place.right() <= content->width());
                    CHECK(place.bottom() <= content->height());
                    CHECK(part->height() >= 10);
                }
                QImage image(view->exportSize().toSize(), QImage::Format_ARGB32);
                image.fill(Qt::transparent);
                QPainter painter(&image);
                view->paintExport(painter, QRectF(image.rect()));
            }
        }
    }
    applyTheme(ThemeId::Light, 1);
}

namespace {

std::unique_ptr<View> makeTree(Document& document) {
    for (const ViewDefinition* candidate : allViews()) {
        if (qstrcmp(candidate->id, "tensor_tree") == 0) {
            return std::unique_ptr<View>(candidate->create(document, nullptr));
        }
    }
    return nullptr;
}

}  // namespace

TEST_CASE("stored or logical: the tree's switch, undo and the session") {
    Panels panels(gptqFolder());
    Document& document = panels.document;
    CHECK(document.canChooseStored());
    document.edit("Select", [](ExperimentSpec& spec) { spec.tensor = "layer.weight"; });
    const auto tree = makeTree(document);
    REQUIRE(tree != nullptr);
    tree->resize(352, 600);
    tree->show();
    panels.settle();
    auto* choice = tree->findChild<SegmentedControl*>();
    REQUIRE(choice != nullptr);
    CHECK(choice->isEnabled());
    CHECK(choice->current() == "logical");
    auto* items = tree->findChild<QTreeView*>();
    const QModelIndex packed = items->currentIndex();
    CHECK(packed.data(TensorTreeModel::QuantRole).toString() == "gptq 4-bit");
    const QString tip = packed.data(Qt::ToolTipRole).toString();
    CAPTURE(tip.toStdString());
    CHECK(tip.contains("layer.qweight"));
    CHECK(tip.contains("stored 12"));
    CHECK(tip.contains("bits per weight"));
    CHECK(tip.contains("32 weights share a scale, in act-order"));
    CHECK(tree->subtitle().contains("weights"));
    // 64 x 96 weights, a bias and a norm.
    CHECK(document.source()->info().parameters == 64 * 96 + 64 + 8);
    CHECK(tree->copyText().contains("gptq 4-bit"));

    choice->button("stored")->click();
    REQUIRE(QTest::qWaitFor([&] { return document.tensor() != nullptr; }, 20000));
    CHECK(document.spec().stored);
    CHECK(document.spec().tensor == "layer.qweight");
    CHECK(document.source()->find("layer.scales").has_value());
    CHECK_FALSE(document.source()->find("layer.weight").has_value());
    CHECK(choice->current() == "stored");
    CHECK(tree->subtitle().contains("stored"));
    // The session brings it back.
    Session session;
    session.spec = document.spec();
    const Result<Session> again = sessionFromJson(toJson(session));
    REQUIRE(again.has_value());
    CHECK(again->spec.stored);
    document.undoStack().undo();
    REQUIRE(QTest::qWaitFor([&] { return document.tensor() != nullptr; }, 20000));
    CHECK_FALSE(document.spec().stored);
    CHECK(document.spec().tensor == "layer.weight");
    CHECK(choice->current() == "logical");
    document.reset(again->spec);
    REQUIRE(QTest::qWaitFor([&] { return document.tensor() != nullptr; }, 20000));
    CHECK(document.source()->find("layer.qweight").has_value());
    // From a stored part back to the weights that it belongs to.
    document.edit("Select", [](ExperimentSpec& spec) { spec.tensor = "layer.scales"; });
    document.setStored(false);
    REQUIRE(QTest::qWaitFor([&] { return document.tensor() != nullptr; }, 20000));
    CHECK(document.spec().tensor == "layer.weight");
}

TEST_CASE("stored or logical: the same tensor, or the one that its bytes belong to") {
    {
        Panels panels(gptqFolder());
        Document& document = panels.document;
        document.edit("Select", [](ExperimentSpec& spec) { spec.tensor = "norm.weight"; });
        for (const bool stored : {true, false, true}) {
            document.setStored(stored);
            REQUIRE(QTest::qWaitFor([&] { return document.tensor() != nullptr; }, 20000));
            CHECK(document.spec().tensor == "norm.weight");
            CHECK_FALSE(document.tensorError().has_value());
        }
    }
    // A model in which a stored tensor has the name that dequantized weights would get.
    Panels panels((test::goldenDir() / "io" / "onnx" / "quantized_typed.onnx").string());
    Document& document = panels.document;
    for (const auto& [from, to] : {std::pair<const char*, const char*>{"taken", "taken"},
                                   {"taken_scale", "taken (2)"},
                                   {"taken_quantized", "taken (2)"},
                                   {"pair_zero_point", "pair"}}) {
        CAPTURE(from, to);
        document.setStored(true);
        REQUIRE(QTest::qWaitFor([&] { return document.tensor() != nullptr; }, 20000));
        document.edit("Select", [&](ExperimentSpec& spec) { spec.tensor = from; });
        document.setStored(false);
        REQUIRE(QTest::qWaitFor([&] { return document.tensor() != nullptr; }, 20000));
        CHECK(document.spec().tensor == to);
        CHECK_FALSE(document.tensorError().has_value());
    }
    // What no file has is said, not replaced.
    document.edit("Select", [](ExperimentSpec& spec) { spec.tensor = "not there"; });
    CHECK(document.tensorError().has_value());
}

TEST_CASE("stored or logical: no choice where nothing is packed") {
    Panels panels("synthetic:gaussian?rows=8&cols=8");
    CHECK_FALSE(panels.document.canChooseStored());
    const auto tree = makeTree(panels.document);
    tree->show();
    panels.settle();
    auto* choice = tree->findChild<SegmentedControl*>();
    REQUIRE(choice != nullptr);
    CHECK_FALSE(choice->isEnabled());
    CHECK(choice->button("stored")->toolTip().contains("packed"));
    const int steps = panels.document.undoStack().count();
    panels.document.setStored(true);
    CHECK(panels.document.undoStack().count() == steps);
    CHECK_FALSE(panels.document.spec().stored);
}

TEST_CASE("tensor tree: what the reader warns of can be read in full") {
    const auto path = test::scratchDir() / "warned.npy";
    std::string bytes = readFile((test::goldenDir() / "io/f4.npy").string()) + std::string(7, 'x');
    std::ofstream(path, std::ios::binary) << bytes;
    Panels panels(path.string());
    REQUIRE(panels.document.source()->info().warnings.size() == 1);
    const auto tree = makeTree(panels.document);
    tree->resize(352, 600);
    tree->show();
    panels.settle();
    auto* list = tree->findChild<QPlainTextEdit*>();
    REQUIRE(list != nullptr);
    CHECK(list->toPlainText().contains("7 bytes"));
    CHECK_FALSE(list->isVisible());
    for (QPushButton* button : tree->findChildren<QPushButton*>()) {
        if (button->isCheckable() && button->text().contains("warning")) {
            CHECK(button->text() == "1 warning");
            button->click();
        }
    }
    CHECK(list->isVisible());
}
