// SPDX-License-Identifier: Apache-2.0
#include "core/quant/awq_panels.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/quant/awq_kernels.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/hessian.hpp"
#include "core/quant/output_loss.hpp"
#include "core/quant/range_search.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace loupe {

namespace {

constexpr std::int64_t kDepth = 256;  ///< of a slice: a panel of it stays in the first cache
constexpr std::int64_t kBlock = 8;    ///< panels of the factor whose products are summed at once

/// Whether X'X and its triangle are less work than the tokens themselves. The former is summed in
/// double, at half the speed.
bool gramPays(std::int64_t tokens, std::int64_t inputs, std::int64_t rows) {
    const auto t = static_cast<double>(tokens);
    const auto n = static_cast<double>(inputs);
    const auto r = static_cast<double>(rows);
    return 2 * t * n * n + r * n * n < 2 * r * t * n;
}

}  // namespace

Result<PanelLoss> PanelLoss::make(const RowSource& activations,
                                  std::int64_t tokens,
                                  std::int64_t rows,
                                  const JobContext& ctx) {
    const std::int64_t n = activations.cols();
    PanelLoss loss;
    loss.isGram_ = gramPays(tokens, n, rows);
    if (!loss.isGram_) {
        const Result<Matrix<float>> x = readTokens<float>(activations, tokens, 1, ctx);
        if (!x) {
            return fail(x.error());
        }
        loss.factor_ = Panels(n, tokens);
        loss.factor_.packRows(x->view(), ctx);
        return loss;
    }
    const Result<Matrix<double>> twice = hessian<double>(activations, tokens, ctx);
    if (!twice) {
        return fail(twice.error());
    }
    loss.factor_ = Panels(n, n);
    parallelFor(n, kPanel, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t index) {
        float* const panel = loss.factor_.panel(index);
        for (std::int64_t i = 0; i < end; ++i) {
            for (std::int64_t j = std::max(begin, i); j < end; ++j) {
                panel[i * kPanel + j - begin] =
                    static_cast<float>(i == j ? (*twice)(i, j) / 2 : (*twice)(i, j));
            }
        }
    });
    return loss;
}

double PanelLoss::squared(const Panels& errors, const JobContext& ctx) const {
    LOUPE_ASSERT(errors.count() <= kTogether, "room for the products");
    const PanelKernels& products = panelKernels();
    const AwqKernels& sums = awqKernels();
    constexpr std::int64_t kSize = kBlock * kPanel * kPanel;
    alignas(64) std::array<float, static_cast<std::size_t>(kTogether * kSize)> block;
    double sum = 0;
    for (std::int64_t first = 0; first < factor_.count(); first += kBlock) {
        ctx.checkpoint();
        const std::int64_t last = std::min(first + kBlock, factor_.count());
        const std::int64_t row = first * kPanel;
        const std::int64_t rows = std::min(last * kPanel, factor_.cols()) - row;
        const std::int64_t depth = isGram_ ? row + rows : factor_.depth();
        std::fill_n(block.data(), errors.count() * kSize, 0.0F);
        for (std::int64_t k = 0; k < depth; k += kDepth) {
            for (std::int64_t e = 0; e < errors.count(); ++e) {
                for (std::int64_t at = 0; at < rows; at += kPanel) {
                    products.addProduct(1,
                                        factor_.panel(first + at / kPanel) + k * kPanel,
                                        errors.panel(e) + k * kPanel,
                                        std::min(kDepth, depth - k),
                                        block.data() + e * kSize + at * kPanel,
                                        kPanel,
                                        std::min(kPanel, rows - at),
                                        kPanel);
                }
            }
        }
        for (std::int64_t e = 0; e < errors.count(); ++e) {
            const float* const own = block.data() + e * kSize;
            sum += sums.sumOfProducts(own, isGram_ ? errors.panel(e) + row * kPanel : own, rows);
        }
    }
    return std::max(sum, 0.0);
}

AwqPanels::AwqPanels(const RowSource& weights,
                     const UniformSpec& spec,
                     const std::vector<std::vector<float>>& scales,
                     const PanelLoss& loss,
                     const JobContext& ctx)
    : weights_(weights),
      spec_(spec),
      scales_(scales),
      loss_(loss),
      ctx_(ctx),
      parts_(scales.size(), std::vector<double>(static_cast<std::size_t>(blocks()))) {}

void AwqPanels::errorsOf(const float* weights, const std::vector<float>& s, float* errors) const {
    std::array<float, kPanel> low, high, gridScales;
    const auto cols = static_cast<std::int64_t>(s.size());
    for (std::int64_t col = 0; col < cols; col += spec_.group) {
        const std::int64_t count = std::min(spec_.group, cols - col);
        const float* const from = weights + col * kPanel;
        const float* const factors = s.data() + col;
        awqKernels().extentsOfLanes(from, factors, count, low.data(), high.data());
        for (std::size_t lane = 0; lane < low.size(); ++lane) {
            const GroupExtent<float> extent{low[lane], high[lane]};
            const auto [least, most] = intervalFor(spec_, extent, extent.absmax());
            const UniformGrid<float> grid = gridFor(spec_, least, most);
            gridScales[lane] = grid.scale;
            low[lane] = static_cast<float>(spec_.codeMin() - grid.zeroPoint);
            high[lane] = static_cast<float>(spec_.codeMax() - grid.zeroPoint);
        }
        awqKernels().errorsOfLanes(from,
                                   factors,
                                   count,
                                   gridScales.data(),
                                   low.data(),
                                   high.data(),
                                   errors + col * kPanel);
    }
}

Result<void> AwqPanels::evaluateBlock(std::int64_t block,
                                      std::span<const std::size_t> ratios,
                                      const Told& told) {
    const std::int64_t cols = weights_.cols();
    const std::int64_t rows = rowsOf(block);
    Panels lanes(cols, rows);
    {
        Matrix<float> read(rows, cols);
        if (Result<void> done = weights_.read(block * kRows, rows, read.data()); !done) {
            return done;
        }
        lanes.packRows(std::as_const(read).view(), ctx_);
    }
    Panels errors(cols, rows);
    for (const std::size_t ratio : ratios) {
        ctx_.checkpoint();
        for (std::int64_t panel = 0; panel < lanes.count(); ++panel) {
            errorsOf(lanes.panel(panel), scales_[ratio], errors.panel(panel));
        }
        parts_[ratio][static_cast<std::size_t>(block)] = loss_.squared(errors, ctx_);
        told(static_cast<std::int64_t>(ratio), rows);
    }
    return {};
}

/// The blocks [first, last) for some ratios, a few of them for each reading of the weights.
Result<void> AwqPanels::evaluate(const std::vector<std::size_t>& ratios,
                                 std::int64_t first,
                                 std::int64_t last,
                                 const Told& told) {
    constexpr std::size_t kShare = 4;
    const auto shares = static_cast<std::int64_t>((ratios.size() + kShare - 1) / kShare);
    FirstError failed;
    parallelFor(
        (last - first) * shares, 1, ctx_, [&](std::int64_t index, std::int64_t, std::int64_t) {
            const auto from = static_cast<std::size_t>(index % shares) * kShare;
            const auto own =
                std::span(ratios).subspan(from, std::min(kShare, ratios.size() - from));
            if (Result<void> done = evaluateBlock(first + index / shares, own, told); !done) {
                failed.report(index, done.error());
            }
        });
    return failed.result();
}

double AwqPanels::sum(std::size_t ratio, std::int64_t last) const {
    return std::accumulate(parts_[ratio].begin(), parts_[ratio].begin() + last, 0.0);
}

Result<std::vector<double>> AwqPanels::all(const Told& told) {
    std::vector<std::size_t> ratios(scales_.size());
    std::iota(ratios.begin(), ratios.end(), std::size_t{0});
    if (Result<void> done = evaluate(ratios, 0, blocks(), told); !done) {
        return fail(done.error());
    }
    std::vector<double> sums;
    for (const std::size_t ratio : ratios) {
        sums.push_back(sum(ratio, blocks()));
    }
    return sums;
}

Result<std::vector<double>> AwqPanels::least(const Told& told) {
    const std::int64_t end = blocks();
    std::int64_t at = std::min(round(), end);
    std::vector<std::size_t> ratios(scales_.size());
    std::iota(ratios.begin(), ratios.end(), std::size_t{0});
    if (Result<void> done = evaluate(ratios, 0, at, told); !done) {
        return fail(done.error());
    }
    const std::size_t leader =
        *std::min_element(ratios.begin(), ratios.end(), [&](std::size_t a, std::size_t b) {
            return sum(a, at) < sum(b, at);
        });
    if (Result<void> done = evaluate({leader}, at, end, told); !done) {
        return fail(done.error());
    }
    std::vector<double> sums(scales_.size(), kGivenUp);
    double most = sums[leader] = sum(leader, end);
    ratios.erase(ratios.begin() + static_cast<std::ptrdiff_t>(leader));
    const auto dropAbove = [&] {
        const auto kept = std::remove_if(ratios.begin(), ratios.end(), [&](std::size_t ratio) {
            const bool above = sum(ratio, at) > most;
            for (std::int64_t block = at; above && block < end; ++block) {
                told(static_cast<std::int64_t>(ratio), rowsOf(block));
            }
            return above;
        });
        ratios.erase(kept, ratios.end());
    };
    for (dropAbove(); at < end && !ratios.empty(); dropAbove()) {
        const std::int64_t next = std::min(at + round(), end);
        if (Result<void> done = evaluate(ratios, at, next, told); !done) {
            return fail(done.error());
        }
        at = next;
    }
    for (const std::size_t ratio : ratios) {
        sums[ratio] = sum(ratio, end);
        most = std::min(most, sums[ratio]);
    }
    std::replace_if(
        sums.begin(), sums.end(), [&](double s) { return s > most; }, kGivenUp);
    return sums;
}

}  // namespace loupe
