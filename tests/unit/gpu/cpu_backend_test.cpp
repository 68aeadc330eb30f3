// SPDX-License-Identifier: Apache-2.0
#include "gpu/timing/backend.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;
using namespace loupe::gpu;

namespace {

std::vector<RunRecord> recordsOf(const TimingRequest& request) {
    std::vector<RunRecord> records;
    const Result<void> done = cpuBackend().run(
        request, {}, {[&](const RunRecord& record) { records.push_back(record); }, nullptr});
    REQUIRE(done.has_value());
    return records;
}

TimingRequest smallRequest() {
    TimingRequest request;
    request.matmul.m = 3;
    request.matmul.n = 100;
    request.matmul.k = 200;
    request.attention.seq = 100;
    request.what = {"all"};
    request.samples = 3;
    request.seconds = 0.05;
    request.threads = 2;
    request.peers = false;
    return request;
}

void checkMeasured(const RunRecord& record) {
    CAPTURE(record.kernel.id, record.reason);
    CHECK(record.kind == FigureKind::Measured);
    CHECK(record.backend == "cpu");
    CHECK(record.reason.empty());
    REQUIRE(record.check.has_value());
    CHECK(record.check->passed);
    CHECK(record.check->poisoned);
    CHECK(record.check->relFro <= record.check->tolerance);
    CHECK(record.check->formatError >= record.check->relFro * 0.5);
    CHECK(record.check->compared > 0);
    REQUIRE(record.timing.has_value());
    CHECK(record.timing->samplesUs.size() == 3);
    CHECK(record.timing->medianUs > 0);
    CHECK(record.timing->clock == "steady");
    CHECK(record.derived.floorUs > 0);
    CHECK(record.derived.ceilingSource == "measured");
    CHECK(record.device.multiprocessors == 2);
    REQUIRE(record.clocks.has_value());
    CHECK(record.clocks->foreignShare >= 0);
    const Result<RunRecord> again = parseRecord(toJson(record));
    REQUIRE(again.has_value());
    CHECK(again->timing->samplesUs == record.timing->samplesUs);
}

}  // namespace

TEST_CASE("the CPU backend checks and times every format and kind that it offers") {
    TimingRequest request = smallRequest();
    std::size_t expected = 0;
    for (const Offer& offer : cpuBackend().offers()) {
        CHECK(offer.reason.empty());
        CHECK(!offer.title.empty());
        expected += offer.operation == Operation::Matmul ? 1 : 0;
    }
    const std::vector<RunRecord> products = recordsOf(request);
    CHECK(products.size() == expected);
    for (const RunRecord& record : products) {
        checkMeasured(record);
        CHECK(record.derived.flops == 2.0 * 3 * 100 * 200);
        CHECK(record.what.phase == "decode");
        CHECK(record.timing->cache == CacheState::Cold);
        CHECK(record.timing->flushBytes > 0);
    }
    request.operation = Operation::Attention;
    request.cache = CacheState::Warm;
    const std::vector<RunRecord> attention = recordsOf(request);
    CHECK(attention.size() == cpuBackend().offers().size() - expected);
    for (const RunRecord& record : attention) {
        checkMeasured(record);
        CHECK(record.derived.flops == 4.0 * 100 * 100 * 64);
        CHECK(record.timing->flushBytes == 0);
    }
}

TEST_CASE("fewer bits cost accuracy: the price of a format stands beside its time") {
    TimingRequest request = smallRequest();
    request.matmul.k = 512;
    request.what = {"fp32", "bf16", "int8", "w4a16"};
    const std::vector<RunRecord> records = recordsOf(request);
    REQUIRE(records.size() == 4);
    for (std::size_t i = 1; i < records.size(); ++i) {
        CHECK(records[i].check->formatError > records[i - 1].check->formatError);
    }
}

TEST_CASE("what the CPU cannot run gives a record with the reason, other cases go on") {
    TimingRequest request = smallRequest();
    request.matmul.group = 20;
    request.what = {"fp8_e4m3", "w4a16", "fp32"};
    const std::vector<RunRecord> records = recordsOf(request);
    REQUIRE(records.size() == 3);
    CHECK(records[0].reason == "the CPU backend has no product in fp8_e4m3");
    CHECK(records[1].reason == "the CPU kernels take groups of a multiple of 8 inputs, not 20");
    CHECK(!records[0].timing.has_value());
    CHECK(!records[1].check.has_value());
    checkMeasured(records[2]);
    request.kernel = "cpu_fp*";
    CHECK(recordsOf(request).size() == 2);
}

TEST_CASE("peers follow the kernel that they stand beside; absent ones say so") {
    TimingRequest request = smallRequest();
    request.peers = true;
    request.what = {"fp32"};
    const std::vector<RunRecord> records = recordsOf(request);
    REQUIRE(records.size() >= 3);
    CHECK(records[0].kernel.source == "cpu");
    for (std::size_t i = 1; i < records.size(); ++i) {
        CHECK(records[i].kernel.source == "library");
        CHECK((records[i].timing.has_value() || !records[i].reason.empty()));
        CHECK(records[i].device.libraries.size() == 1);
    }
}

TEST_CASE("cases in turn: as many samples of each, and a case that cannot run is in its place") {
    TimingRequest request = smallRequest();
    request.interleave = true;
    request.what = {"fp32", "fp8_e4m3", "w8a8"};
    const std::vector<RunRecord> records = recordsOf(request);
    REQUIRE(records.size() == 3);
    checkMeasured(records[0]);
    checkMeasured(records[2]);
    CHECK(records[0].what.format == "fp32");
    CHECK(records[1].reason == "the CPU backend has no product in fp8_e4m3");
    CHECK(records[2].what.format == "w8a8");
    CHECK(records[0].timing->inTurn == 2);
    CHECK(records[2].timing->inTurn == 2);
    request.interleave = false;
    for (const RunRecord& record : recordsOf(request)) {
        CHECK((!record.timing || record.timing->inTurn == 0));
    }
    request.interleave = true;
    request.what = {"fp8_e4m3"};
    CHECK(recordsOf(request).size() == 1);
}

TEST_CASE("a cancelled request ends the CPU backend") {
    std::stop_source stop;
    const JobContext ctx(stop.get_token(), nullptr);
    TimingRequest request = smallRequest();
    int seen = 0;
    const RunSink sink{[&](const RunRecord&) {
                           ++seen;
                           stop.request_stop();
                       },
                       nullptr};
    CHECK_THROWS_AS(cpuBackend().run(request, ctx, sink), Cancelled);
    CHECK(seen == 1);
}
