// SPDX-License-Identifier: GPL-3.0-or-later
// The byte treemap: areas that are true, and tensors that can be reached.
#include "app/plot/range_legend.hpp"
#include "app/workspaces/atlas/atlas_picture.hpp"
#include "app/workspaces/atlas/treemap_bar.hpp"
#include "app/workspaces/atlas/treemap_layout.hpp"
#include "app/workspaces/atlas/treemap_view.hpp"
#include "tests/gui/atlas_fixture.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>

using namespace loupe;
using namespace loupe::app;
using Catch::Matchers::WithinRel;

namespace {

double area(const QRectF& rect) {
    return rect.width() * rect.height();
}

std::vector<TensorInfo> network(std::size_t layers, std::size_t experts) {
    std::vector<TensorInfo> tensors;
    const auto add = [&](const std::string& name, std::uint64_t parameters, std::uint64_t bytes) {
        TensorInfo tensor;
        tensor.name = name;
        tensor.parameters = parameters;
        tensor.bytes = bytes;
        tensors.push_back(tensor);
    };
    add("model.embed_tokens.weight", 500'000, 1'000'000);
    add("empty", 0, 0);
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const std::string prefix = "model.layers." + std::to_string(layer);
        add(prefix + ".self_attn.q_proj.weight", 4096, 2304 + layer);
        add(prefix + ".input_layernorm.weight", 64, 256);
        for (std::size_t e = 0; e < experts; ++e) {
            add(prefix + ".mlp.experts." + std::to_string(e) + ".up_proj.weight", 8192, 4608);
        }
    }
    return tensors;
}

}  // namespace

TEST_CASE("squarify: areas are in proportion, fill the rectangle and do not overlap") {
    const std::vector<double> sizes{6, 6, 4, 3, 2, 2, 1};  // the paper's example
    const QRectF all(0, 0, 6, 4);
    const std::vector<QRectF> rects = squarify(sizes, all);
    REQUIRE(rects.size() == sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        CHECK_THAT(area(rects[i]), WithinRel(sizes[i], 1e-9));
        CHECK(all.adjusted(-1e-9, -1e-9, 1e-9, 1e-9).contains(rects[i]));
        CHECK(std::max(rects[i].width() / rects[i].height(), rects[i].height() / rects[i].width()) <
              3);
        for (std::size_t j = 0; j < i; ++j) {
            CHECK(area(rects[i].intersected(rects[j])) < 1e-9);
        }
    }
    CHECK(squarify({}, all).empty());
    CHECK(squarify(sizes, QRectF()).size() == sizes.size());
}

TEST_CASE("treemap: groups and tensors add up to the total") {
    const std::vector<TensorInfo> tensors = network(24, 8);
    const AtlasLayout layout = makeAtlasLayout(tensors);
    for (const TreemapGroup group : {TreemapGroup::Role, TreemapGroup::Layer, TreemapGroup::None}) {
        for (const TreemapSize size : {TreemapSize::Bytes, TreemapSize::Parameters}) {
            const TreemapRequest request{.group = group, .size = size, .area = QSizeF(900, 600)};
            const Treemap map = makeTreemap(tensors, layout, request);
            std::uint64_t total = 0;
            for (const TensorInfo& tensor : tensors) {
                total += size == TreemapSize::Bytes ? tensor.bytes : tensor.parameters;
            }
            CHECK(map.total == total);
            std::uint64_t groups = 0;
            std::uint64_t leaves = 0;
            std::uint64_t count = 0;
            double areas = 0;
            for (const TreemapTile& tile : map.tiles) {
                if (tile.isGroup) {
                    groups += tile.size;
                    areas += area(tile.rect);
                    CHECK_THAT(
                        area(tile.rect) / (900.0 * 600.0),
                        WithinRel(static_cast<double>(tile.size) / static_cast<double>(total),
                                  1e-6));
                } else {
                    leaves += tile.size;
                    count += tile.count;
                    areas += group == TreemapGroup::None ? area(tile.rect) : 0;
                    CHECK(tile.size > 0);
                    if (tile.group >= 0) {
                        CHECK(map.tiles[static_cast<std::size_t>(tile.group)]
                                  .rect.adjusted(-1, -1, 1, 1)
                                  .contains(tile.rect));
                    }
                }
            }
            CHECK(leaves == total);
            CHECK(count == tensors.size() - 1);  // all but the empty one
            CHECK_THAT(areas, WithinRel(900.0 * 600.0, 1e-6));
            if (group != TreemapGroup::None) {
                CHECK(groups == total);
            }
        }
    }
}

TEST_CASE("treemap: 100,000 tensors make no more rectangles than can be seen") {
    const std::vector<TensorInfo> tensors = network(100, 1000);
    const AtlasLayout layout = makeAtlasLayout(tensors);
    const TreemapRequest request{.group = TreemapGroup::Role, .area = QSizeF(900, 600)};
    const Treemap map = makeTreemap(tensors, layout, request);
    CHECK(map.tiles.size() < 900 * 600 / 30 + 100);
    std::uint64_t leaves = 0;
    for (const TreemapTile& tile : map.tiles) {
        leaves += tile.isGroup ? 0U : tile.size;
    }
    CHECK(leaves == map.total);
}

TEST_CASE("treemap: tensors of one size stand in the order of their layers") {
    const std::vector<TensorInfo> tensors = network(12, 0);
    std::vector<TensorInfo> byName = tensors;  // as containers sort them: 0, 1, 10, 11, 2
    std::sort(byName.begin(), byName.end(), [](const TensorInfo& a, const TensorInfo& b) {
        return a.name < b.name;
    });
    const AtlasLayout layout = makeAtlasLayout(byName);
    const TreemapRequest request{.size = TreemapSize::Parameters, .area = QSizeF(900, 600)};
    const Treemap map = makeTreemap(byName, layout, request);
    std::vector<std::int64_t> layers;
    for (const TreemapTile& tile : map.tiles) {
        if (tile.tensor >= 0 && layout.places[static_cast<std::size_t>(tile.tensor)].role == "q") {
            layers.push_back(layout.places[static_cast<std::size_t>(tile.tensor)].layer);
        }
    }
    CHECK(layers.size() == 12);
    CHECK(std::is_sorted(layers.begin(), layers.end()));
}

TEST_CASE("treemap: a click selects a tensor, keys reach its neighbours, Enter opens") {
    test::AtlasFixture atlas(3);
    atlas.pane->showTreemap(true);
    TreemapPicture& picture = atlas.pane->treemap();
    REQUIRE(QTest::qWaitFor([&] { return picture.map() != nullptr && !picture.busy(); },
                            test::kPatience));
    const Treemap& map = *picture.map();
    const auto found = std::find_if(map.tiles.begin(),
                                    map.tiles.end(),
                                    [](const TreemapTile& tile) { return tile.tensor >= 0; });
    REQUIRE(found != map.tiles.end());
    const QPoint centre = found->rect.center().toPoint() + QPoint(Theme::px(12), 0);
    QTest::mouseClick(&picture, Qt::LeftButton, {}, centre);
    REQUIRE(atlas.model.selected().has_value());
    CHECK(*atlas.model.selected() == static_cast<std::size_t>(found->tensor));
    CHECK(picture.accessibleDescription().contains("of all"));
    std::vector<std::size_t> reached{*atlas.model.selected()};
    for (const Qt::Key key : {Qt::Key_Right, Qt::Key_Down, Qt::Key_Left, Qt::Key_Up}) {
        QTest::keyClick(&picture, key);
        reached.push_back(*atlas.model.selected());
    }
    std::sort(reached.begin(), reached.end());
    CHECK(std::unique(reached.begin(), reached.end()) - reached.begin() >= 3);
    QTest::keyClick(&picture, Qt::Key_Return);
    CHECK(atlas.document.spec().tensor ==
          atlas.model.source()->tensors()[*atlas.model.selected()].name);
    QTest::keyClick(&picture, Qt::Key_Escape);
    CHECK_FALSE(atlas.model.selected().has_value());
    // Another grouping is laid out anew.
    picture.choose(TreemapGroup::Layer, TreemapSize::Parameters);
    REQUIRE(QTest::qWaitFor([&] { return !picture.busy(); }, test::kPatience));
    CHECK(picture.map()->total == atlas.model.source()->info().parameters);
}

TEST_CASE("treemap: rectangles have the colours of the matrix, or of their types") {
    test::AtlasFixture atlas(4);
    atlas.model.chooseMetric("absmax");
    atlas.settle();
    atlas.pane->showTreemap(true);
    TreemapPicture& picture = atlas.pane->treemap();
    REQUIRE(QTest::qWaitFor([&] { return picture.map() != nullptr && !picture.busy(); },
                            test::kPatience));
    const auto colorOf = [&](std::size_t tensor) {
        const QImage image = picture.grab().toImage();
        for (const TreemapTile& tile : picture.map()->tiles) {
            if (tile.tensor == static_cast<std::int64_t>(tensor)) {
                // Beside what stands in the middle.
                return image.pixelColor(static_cast<int>(tile.rect.left()) + Theme::px(12) + 3,
                                        static_cast<int>(tile.rect.top()) + 3);
            }
        }
        return QColor();
    };
    const std::size_t planted = atlas.tensor("model.layers.2.mlp.down_proj.weight");
    const std::size_t other = atlas.tensor("model.layers.1.mlp.down_proj.weight");
    CHECK(colorOf(planted) == QColor(atlas.pane->picture().colors().color(64.0F)));
    CHECK(colorOf(other) != colorOf(planted));
    CHECK(picture.tensorSentence(planted).contains("64"));
    CHECK(atlas.pane->legend().isVisible());
    // A figure that it does not have: grey, not a colour of the scale.
    const auto path = test::scratchDir() / "treemap_own.csv";
    std::ofstream(path) << "tensor,impact\nmodel.layers.2.mlp.down_proj.weight,5\n"
                           "model.norm.weight,1\n";
    atlas.pane->importOwn(QString::fromStdString(path.string()));
    REQUIRE(
        QTest::qWaitFor([&] { return atlas.model.metric().id == "own.impact"; }, test::kPatience));
    CHECK(atlas.pane->isTreemap());
    CHECK(colorOf(other) == Theme::current().raised);
    CHECK(colorOf(planted) == QColor(atlas.pane->picture().colors().color(5.0F)));
    // By type: all of them are FP32, one colour and a key instead of the scale.
    atlas.pane->treemapBar().restore({{"colors", "type"}});
    CHECK(picture.byType());
    QTest::qWait(150);
    REQUIRE(QTest::qWaitFor([&] { return !picture.busy(); }, test::kPatience));
    REQUIRE(picture.types().size() == 1);
    CHECK(picture.types()[0].name == "fp32");
    CHECK(picture.types()[0].tensors == atlas.tensorCount());
    CHECK(colorOf(other) == colorOf(planted));
    CHECK(colorOf(other) == TreemapPicture::typeColor(0));
    CHECK_FALSE(atlas.pane->legend().isVisible());
    CHECK(atlas.pane->treemapBar().save()["colors"].toString() == "type");
}
