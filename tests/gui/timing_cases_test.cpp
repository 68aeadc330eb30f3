// SPDX-License-Identifier: GPL-3.0-or-later
// What is compared with what, and what is said of it.
#include "tests/gui/timing_fixture.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;
using namespace loupe::app;
using Catch::Matchers::WithinRel;
using loupe::test::countedRecord;
using loupe::test::timedRecord;

namespace {

StoredRun runOf(const QString& id, const std::vector<gpu::RunRecord>& records) {
    StoredRun run{id, {}, std::nullopt};
    for (const gpu::RunRecord& record : records) {
        run.records.push_back(std::make_shared<const gpu::RunRecord>(record));
    }
    return run;
}

}  // namespace

TEST_CASE("timing cases: faster only beyond the noise, against a baseline of the same shape") {
    gpu::RunRecord other = timedRecord("int8", 100);
    other.what.matmul.m = 16;
    const StoredRun run = runOf("a",
                                {timedRecord("fp32", 1720),
                                 timedRecord("bf16", 884),
                                 timedRecord("fp16", 885),
                                 timedRecord("w4a16", 287),
                                 other});
    const CaseTable table = makeCases({&run}, {}, nullptr);
    REQUIRE(table.rows.size() == 5);
    REQUIRE(table.baseline == 1);  // bf16 is the plainest
    CHECK(table.rows[1].relation == Relation::Baseline);
    CHECK(table.rows[0].relation == Relation::Slower);
    CHECK(relationText(table.rows[0], table) == QString::fromUtf8("1.95 × slower than bf16"));
    CHECK(table.rows[2].relation == Relation::NoDifference);
    CHECK(relationText(table.rows[2], table) == "no difference from bf16");
    CHECK(table.rows[3].relation == Relation::Faster);
    CHECK_THAT(table.rows[3].factor, WithinRel(884.0 / 287.0, 1e-9));
    CHECK(table.rows[4].relation == Relation::None);  // another shape
    CHECK(relationText(table.rows[4], table).isEmpty());
    CHECK_FALSE(table.oneShape);
    const CaseTable against = makeCases({&run}, table.rows[3].key, nullptr);
    CHECK(against.baseline == 3);
    CHECK(against.rows[1].relation == Relation::Slower);
}

TEST_CASE("timing cases: the baseline is the fastest kernel of its format, and is named") {
    const StoredRun run = runOf("a",
                                {timedRecord("bf16", 900, "GPU", "gemm_bf16_wmma"),
                                 timedRecord("bf16", 80, "GPU", "cublaslt_bf16"),
                                 timedRecord("w8a8", 40, "GPU", "cublaslt_s8")});
    const CaseTable table = makeCases({&run}, {}, nullptr);
    REQUIRE(table.baseline == 1);
    CHECK(relationText(table.rows[2], table) ==
          QString::fromUtf8("2.00 × faster than cublaslt_bf16"));
}

TEST_CASE("timing cases: counts join the times of the same kernel, and nothing else") {
    const StoredRun measured =
        runOf("a", {timedRecord("int8", 500, "GPU", "gemm_s8_dp4a_64x64x32")});
    gpu::RunRecord elsewhere = countedRecord("int8", "gemm_s8_dp4a_64x64x32");
    elsewhere.what.matmul.m = 7;
    const StoredRun counted = runOf("b",
                                    {countedRecord("int8", "gemm_s8_dp4a_64x64x32"),
                                     countedRecord("int8", "gemm_s8_mma_128x128x64x2"),
                                     elsewhere});
    const CaseTable table = makeCases({&measured, &counted}, {}, nullptr);
    REQUIRE(table.rows.size() == 3);
    CHECK(table.rows[0].measured);
    CHECK(table.rows[0].counted);
    CHECK_FALSE(table.rows[1].measured);
    CHECK_FALSE(table.rows[2].measured);
    // What the executor counted is no machine's time.
    CHECK(table.machines.size() == 1);
    CHECK(machinesOf({&counted}).empty());
}

TEST_CASE("timing cases: a case that could not run keeps its reason and has no figure") {
    gpu::RunRecord refused = timedRecord("fp8_e4m3", 1);
    refused.timing.reset();
    refused.check.reset();
    refused.derived = {};
    refused.reason = "needs compute capability 8.9, the device has 8.0";
    const StoredRun run = runOf("a", {refused, timedRecord("bf16", 884)});
    const HardwarePreset* h100 = findHardwarePreset("h100_sxm");
    REQUIRE(h100 != nullptr);
    const CaseTable table = makeCases({&run}, {}, h100);
    REQUIRE(table.rows.size() == 2);
    CHECK(table.rows[0].refused);
    CHECK_FALSE(table.rows[0].model.has_value());
    CHECK(table.rows[1].model.has_value());
    const RooflineData roofline = makeRoofline(table, h100);
    for (const RoofPoint& point : roofline.points) {
        CHECK(point.row == 1);
    }
}

TEST_CASE("timing roofline: the model is the data sheet's arithmetic, checked by hand") {
    const StoredRun run = runOf("a", {timedRecord("bf16", 884)});
    const HardwarePreset* h100 = findHardwarePreset("h100_sxm");
    REQUIRE(h100 != nullptr);
    const CaseTable table = makeCases({&run}, {}, h100);
    // 33 570 816 bytes at 3.35 TB/s, and 33 554 432 FLOP at 989.4 TFLOP/s take far less.
    REQUIRE(table.rows[0].model.has_value());
    CHECK_THAT(table.rows[0].model->us, WithinRel(33570816.0 / 3.35e12 * 1e6, 1e-3));
    CHECK(table.rows[0].model->memoryBound);
    const RooflineData data = makeRoofline(table, h100);
    REQUIRE(data.roofs.size() == 2);
    CHECK(data.roofs[0].measured);
    CHECK(data.roofs[0].bandwidth == 43e9);
    CHECK_FALSE(data.roofs[1].measured);
    REQUIRE(data.points.size() == 2);
    CHECK(data.points[0].kind == gpu::FigureKind::Measured);
    CHECK_THAT(data.points[0].rate, WithinRel(2.0 * 4096 * 4096 / (884e-6), 1e-9));
    CHECK(data.points[1].kind == gpu::FigureKind::Modelled);
    CHECK(data.points[1].rate <=
          data.roofs[1].at(data.points[1].intensity, h100->peak("bf16")) * (1 + 1e-12));
}

TEST_CASE("timing roofline: a measured roof is the most that was seen of the machine") {
    gpu::RunRecord slow = timedRecord("bf16", 884);
    slow.derived.bandwidthGbps = 12;
    slow.derived.peakTflops = 0.2;
    const StoredRun run = runOf("a", {slow, timedRecord("bf16", 884, "Test CPU", "again")});
    const RooflineData roofline = makeRoofline(makeCases({&run}, {}, nullptr), nullptr);
    REQUIRE(roofline.roofs.size() == 1);
    CHECK(roofline.roofs[0].bandwidth == 43e9);
    REQUIRE(roofline.roofs[0].peaks.size() == 1);
    CHECK(roofline.roofs[0].peaks[0].second == 0.5e12);
    // Equal peaks of a data sheet are one line with both names.
    const HardwarePreset* h100 = findHardwarePreset("h100_sxm");
    REQUIRE(h100 != nullptr);
    const RooflineData both = makeRoofline(makeCases({&run}, {}, h100), h100);
    REQUIRE(both.roofs.size() == 2);
    CHECK(both.roofs[1].peaks.size() == 3);
    CHECK(both.roofs[1].peaks[1].first == "fp16, bf16");
}

TEST_CASE("timing cases: two machines are two machines, and a count is none") {
    const StoredRun here = runOf("a", {timedRecord("bf16", 884, "CPU one")});
    const StoredRun there = runOf("b", {timedRecord("bf16", 500, "CPU two")});
    const auto machines = machinesOf({&here, &there});
    REQUIRE(machines.size() == 2);
    CHECK(machines[0].first != machines[1].first);
}
