// SPDX-License-Identifier: Apache-2.0
// bench frame [--size 4096,16384] [--dtype f32|bf16] [--pair qcp] [--probe]
#include <cstdio>
#include <cstring>

#include "core/base/worker_pool.hpp"
#include "core/stats/colormaps.hpp"
#include "core/stats/pyramid.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/qcp_peer.hpp"

namespace loupe::bench {

#if !defined(LOUPE_BENCH_QT)
std::unique_ptr<QcpPeer> QcpPeer::make() { return nullptr; }
#endif

namespace {

constexpr int kWidth = 1920;
constexpr int kHeight = 1080;

struct Scene {
    std::int64_t size;
    Buffer cells;
    RowFiller rows;
    WindowFiller window;
    std::shared_ptr<const Pyramid> pyramid;
    std::vector<std::uint32_t> picture;
    Texels texels;

    explicit Scene(std::int64_t n) : size(n), cells(static_cast<std::size_t>(n * n) * 4), picture(std::size_t{kWidth} * kHeight) {
        fillWeights(cells.as<float>(), n, n);
        rows = [this](std::int64_t first, std::int64_t count, float* out) -> Result<void> {
            std::memcpy(out, cells.as<float>() + first * size, static_cast<std::size_t>(count * size) * 4);
            return {};
        };
        window = [this](std::int64_t r, std::int64_t h, std::int64_t c, std::int64_t w, float* out) -> Result<void> {
            for (std::int64_t i = 0; i < h; ++i) {
                std::memcpy(out + i * w, cells.as<float>() + (r + i) * size + c, static_cast<std::size_t>(w) * 4);
            }
            return {};
        };
    }
    void build() { pyramid = buildPyramid(size, size, rows).value(); }
    void color(float bound) {
        const ColorTable& map = colorTable(ColorMapId::Signed);
        colorize(texels, {map.entries, -bound, bound, false, false, map.below, map.above, 0xff000000U, 0xff000000U, 0xff202020U}, picture.data());
    }
    void frame(double left, double top, double scale) {
        texels = sampleViewport(*pyramid, window, {left, top, scale, scale, kWidth, kHeight}, Pooling::AbsMax).value();
        color(0.1F);
    }
};

/// Pans a little at every call: nothing can be reused.
Contender panning(Scene& scene, const std::string& name, double scale) {
    auto step = std::make_shared<int>(0);
    return {"ours: " + name, timed([&scene, step, scale] {
                *step = (*step + 37) % 1000;
                scene.frame(*step, *step, scale);
            })};
}

void benchSize(const Options& options, std::int64_t size, QcpPeer* peer) {
    Scene scene(size);
    const double bytes = 4.0 * static_cast<double>(size) * static_cast<double>(size);
    const std::string title = std::to_string(size) + "^2";
    const auto build = interleave("pyramid " + title, {{"ours: pyramid of float cells", timed([&] { scene.build(); }), bytes}, readProbe(scene.cells)}, options.repeats(7));
    printRatio("share of the read probe", build[1].median / build[0].median);
    const double whole = static_cast<double>(size) / kWidth;
    std::vector<Contender> frames{panning(scene, "zoomed out, whole matrix", whole), panning(scene, "1:1 pan", 1), panning(scene, "8x in", 0.125),
                                  panning(scene, "1.5 cells a pixel", 1.5), panning(scene, "1.99 cells a pixel", 1.99), panning(scene, "3.9 cells a pixel", 3.9)};
    auto turn = std::make_shared<int>(0);
    frames.push_back({"ours: colour range changed", timed([&scene, turn] { scene.color(0.1F + 1e-4F * static_cast<float>(++*turn)); })});
    if (peer != nullptr) {
        Contender load{"peer: QCustomPlot, set cells and first paint", timed([&] { peer->load(size, scene.cells.as<float>()); })};
        const auto loaded = interleave("first picture " + title, {{"ours: pyramid and first frame", timed([&] {
                                                                       scene.build();
                                                                       scene.frame(0, 0, whole);
                                                                   })},
                                                                  load},
                                       1);
        printRatio("times faster than QCustomPlot to the first picture", loaded[1].median / loaded[0].median);
        frames.push_back({"peer: QCustomPlot, 1:1 pan", timed([&, turn] { peer->pan(++*turn % 1000, *turn % 1000, 1); })});
        frames.push_back({"peer: QCustomPlot, colour range changed", timed([&, turn] {
                              peer->changeRange(-0.1 - 1e-4 * ++*turn, 0.1);
                          })});
    }
    const auto t = interleave("frames 1920x1080 of " + title, frames, options.repeats(peer != nullptr ? 7 : 31));
    for (std::size_t i = 0; i < 6; ++i) {
        printRatio(frames[i].name + ", p99 in ms", t[i].p99 * 1e3);
    }
    if (peer != nullptr) {
        printRatio("times faster than QCustomPlot to change the colour range", t.back().median / t[6].median);
    }
}

}  // namespace

void bench_frame(const Options& options) {
    std::unique_ptr<QcpPeer> peer;
    if (options.get("pair", "") == "qcp" || options.smoke()) {
        peer = QcpPeer::make();
    }
    for (const std::string& size : options.list("size", options.smoke() ? "64" : "4096,16384")) {
        benchSize(options, std::stoll(size), peer.get());
    }
}

}  // namespace loupe::bench
