// SPDX-License-Identifier: Apache-2.0
// Attention of the CPU backend on every instruction set of this machine, against FP64.
#include "core/base/cpu_dispatch.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/cpu/attention.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace loupe;
using namespace loupe::gpu;

namespace {

AttentionShape shapeOf(std::int64_t seq, std::int64_t dim, bool causal) {
    AttentionShape shape;
    shape.seq = seq;
    shape.dim = dim;
    shape.causal = causal;
    return shape;
}

std::vector<AttentionShape> shapes() {
    std::vector<AttentionShape> list{shapeOf(1, 64, false),
                                     shapeOf(5, 64, true),
                                     shapeOf(256, 64, false),
                                     shapeOf(300, 64, true),
                                     shapeOf(77, 128, false),
                                     shapeOf(131, 128, true),
                                     shapeOf(90, 40, false),
                                     shapeOf(600, 80, true)};
    AttentionShape grouped = shapeOf(70, 64, true);
    grouped.heads = 6;
    grouped.kvHeads = 2;
    grouped.batch = 2;
    list.push_back(grouped);
    grouped.decode = true;
    grouped.causal = false;
    grouped.seq = 2500;
    list.push_back(grouped);
    AttentionShape decode = shapeOf(1030, 72, false);
    decode.decode = true;
    list.push_back(decode);
    return list;
}

double errorOf(std::span<const float> got, const std::vector<double>& expected) {
    REQUIRE(got.size() == expected.size());
    double error = 0;
    double norm = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double difference = static_cast<double>(got[i]) - expected[i];
        error += difference * difference;
        norm += expected[i] * expected[i];
    }
    return std::sqrt(error / norm);
}

std::vector<double> referenceOf(const AttentionProblem& problem) {
    const AttentionShape& shape = problem.shape;
    std::vector<std::int64_t> rows(
        static_cast<std::size_t>(shape.batch * shape.heads * shape.queries()));
    std::iota(rows.begin(), rows.end(), 0);
    return referenceAttention(problem.q, problem.k, problem.v, shape, rows, {});
}

}  // namespace

TEST_CASE("CPU attention equals FP64 within rounding, of every kind on every instruction set") {
    for (const AttentionShape& shape : shapes()) {
        const AttentionProblem problem = makeAttentionProblem(shape, 3, {});
        const std::vector<double> expected = referenceOf(problem);
        for (const CpuTarget target : availableCpuTargets()) {
            const CpuTarget before = setCpuTarget(target);
            for (const CpuAttentionKind& kind : cpuAttentionKinds()) {
                const auto attention = kind.make(problem);
                std::fill(attention->output().begin(),
                          attention->output().end(),
                          std::numeric_limits<float>::quiet_NaN());
                attention->run({});
                CAPTURE(cpuTargetName(target),
                        kind.name,
                        shape.seq,
                        shape.dim,
                        shape.causal,
                        shape.decode);
                CHECK(errorOf(attention->output(), expected) <= attention->tolerance());
                attention->run({});  // again, with buffers that are not new
                CHECK(errorOf(attention->output(), expected) <= attention->tolerance());
            }
            setCpuTarget(before);
        }
    }
}

TEST_CASE("large scores neither overflow nor vanish in CPU attention") {
    AttentionProblem problem = makeAttentionProblem(shapeOf(300, 64, false), 5, {});
    for (float& q : problem.q) {
        q *= 100;  // scores of some hundred: e^score leaves FP32
    }
    const std::vector<double> expected = referenceOf(problem);
    for (const CpuAttentionKind& kind : cpuAttentionKinds()) {
        const auto attention = kind.make(problem);
        attention->run({});
        CAPTURE(kind.name);
        // The scores' own rounding is a hundred times larger, and so is its effect.
        CHECK(errorOf(attention->output(), expected) <= 100 * attention->tolerance());
    }
}

TEST_CASE("CPU attention is the same bits for any number of threads, and stops when cancelled") {
    const int before = computeThreads();
    for (const AttentionShape& shape : shapes()) {
        const AttentionProblem problem = makeAttentionProblem(shape, 3, {});
        for (const CpuAttentionKind& kind : cpuAttentionKinds()) {
            const auto attention = kind.make(problem);
            setComputeThreads(1);
            attention->run({});
            const std::vector<float> alone(attention->output().begin(), attention->output().end());
            setComputeThreads(3);
            attention->run({});
            CAPTURE(kind.name, shape.seq);
            CHECK(std::equal(alone.begin(), alone.end(), attention->output().begin()));
            std::stop_source stop;
            stop.request_stop();
            CHECK_THROWS_AS(attention->run(JobContext(stop.get_token(), nullptr)), Cancelled);
        }
    }
    setComputeThreads(before);
}

TEST_CASE("tiled attention needs memory linear in the sequence, standard attention quadratic") {
    const AttentionProblem small = makeAttentionProblem(shapeOf(1024, 64, false), 1, {});
    const AttentionProblem large = makeAttentionProblem(shapeOf(4096, 64, false), 1, {});
    const auto growth = [&](const char* name) {
        const CpuAttentionKind* const kind = findCpuAttention(name);
        REQUIRE(kind != nullptr);
        return kind->make(large)->workBytes() / kind->make(small)->workBytes();
    };
    CHECK(growth("flash2") <= 4.0 * 2);  // whole huge pages
    CHECK(growth("standard") >= 4.0 * 3);
}
