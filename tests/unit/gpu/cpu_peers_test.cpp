// SPDX-License-Identifier: Apache-2.0
// Libraries beside the CPU kernels: those that are here compute the same products; the others say
// why not.
#include "gpu/cpu/peers.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <numeric>

using namespace loupe;
using namespace loupe::gpu;

TEST_CASE("peers compute the product of their operands, or say what is missing") {
    MatmulShape shape;
    shape.m = 7;
    shape.n = 130;
    shape.k = 300;
    const MatmulProblem problem = makeMatmulProblem(shape, 1, {});
    std::vector<std::int64_t> rows(static_cast<std::size_t>(shape.m));
    std::iota(rows.begin(), rows.end(), 0);
    for (const CpuPeer& peer : cpuPeers()) {
        CAPTURE(peer.kernel, peer.version());
        CHECK(findCpuFormat(peer.format) != nullptr);
        if (const std::string reason = peer.refuses(shape); !reason.empty()) {
            WARN("skipped: " << peer.kernel << ": " << reason);
            continue;
        }
        std::string error;
        const auto matmul = peer.make(problem, {}, error);
        CAPTURE(error);
        REQUIRE((matmul != nullptr) == error.empty());
        if (matmul == nullptr) {
            continue;
        }
        CHECK(matmul->kernel() == peer.kernel);
        std::fill(matmul->output().begin(), matmul->output().end(), std::nanf(""));
        matmul->run({});
        const std::vector<float>& x = matmul->x().empty() ? problem.x : matmul->x();
        const std::vector<float>& w = matmul->w().empty() ? problem.w : matmul->w();
        const std::vector<double> expected = referenceMatmul(x, w, shape, rows, {});
        double error2 = 0;
        double norm2 = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            error2 += std::pow(static_cast<double>(matmul->output()[i]) - expected[i], 2);
            norm2 += expected[i] * expected[i];
        }
        CHECK(std::sqrt(error2 / norm2) <= matmul->tolerance());
    }
}
