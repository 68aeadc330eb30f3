// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/atlas_model.hpp"
#include "app/workspaces/atlas/atlas_pane.hpp"
#include "core/io/safetensors_writer.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace loupe::test {

/// A small checkpoint in a file, with a planted outlier of 64 in layer 2 (of three or more), and
/// the Atlas of it.
struct AtlasFixture {
    app::Document document;
    app::AtlasModel model{document};
    std::unique_ptr<app::AtlasPane> pane;

    explicit AtlasFixture(int layers,
                          const std::string& schemeA = {},
                          const std::string& schemeB = {},
                          bool sick = false) {
        app::applyTheme(app::ThemeId::Light, 1);
        const auto path =
            scratchDir() / ("atlas" + std::to_string(layers) + (sick ? "s" : "") + ".safetensors");
        write(path.string(), layers, sick);
        QObject::connect(&document, &app::Document::changed, &model, &app::AtlasModel::refresh);
        ExperimentSpec spec;
        spec.source = path.string();
        spec.schemeA = schemeA;
        spec.schemeB = schemeB;
        document.reset(spec);
        pane = std::make_unique<app::AtlasPane>(model);
        pane->resize(1280, 720);
        pane->show();
        REQUIRE(QTest::qWaitFor([&] { return model.layout() != nullptr; }, kPatience));
        QTest::qWait(20);
    }
    ~AtlasFixture() { pane.reset(); }

    void settle() {
        REQUIRE(QTest::qWaitFor([&] { return !model.busy(); }, kPatience));
        QTest::qWait(150);
    }
    [[nodiscard]] std::size_t tensorCount() const { return model.source()->tensors().size(); }
    [[nodiscard]] std::size_t tensor(const char* name) const {
        const std::optional<std::size_t> found = model.source()->find(name);
        REQUIRE(found.has_value());
        return *found;
    }

private:
    static void write(const std::string& path, int layers, bool sick) {
        SafetensorsWriter writer;
        std::vector<std::vector<float>> kept;
        const auto add =
            [&](const std::string& name, std::int64_t rows, std::int64_t cols, float large) {
                std::vector<float> values(static_cast<std::size_t>(rows * cols));
                for (std::size_t i = 0; i < values.size(); ++i) {
                    values[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i) + 1));
                }
                values[values.size() / 2] = large;
                kept.push_back(std::move(values));
                writer.add(name,
                           "fp32",
                           rows == 1 ? std::vector<std::int64_t>{cols}
                                     : std::vector<std::int64_t>{rows, cols},
                           [bytes = std::as_bytes(std::span<const float>(kept.back()))](
                               const ByteSink& sink) { return sink(bytes); });
            };
        kept.reserve(static_cast<std::size_t>(3 * layers + 2));
        // As many real files do: 0, 1, 10, 11, 2, ...
        std::vector<int> order(static_cast<std::size_t>(layers));
        std::iota(order.begin(), order.end(), 0);
        std::sort(order.begin(), order.end(), [](int a, int b) {
            return std::to_string(a) < std::to_string(b);
        });
        for (const int layer : order) {
            const std::string prefix = "model.layers." + std::to_string(layer);
            add(prefix + ".self_attn.q_proj.weight", 32, 32, 1);
            if (sick && layer == 0) {
                kept.back()[5] = std::numeric_limits<float>::quiet_NaN();
            }
            add(prefix + ".mlp.down_proj.weight", 32, 48, layer == 2 ? 64 : 1);
            add(prefix + ".input_layernorm.weight", 1, 32, 1);
        }
        add("model.embed_tokens.weight", 40, 32, 1);
        add("model.norm.weight", 1, 32, 1);
        REQUIRE(writer.write(path).has_value());
    }
};

}  // namespace loupe::test
