// SPDX-License-Identifier: Apache-2.0
#include "gpu/timing/summary.hpp"

#include "gpu/timing/method.hpp"
#include "tests/support/catch.hpp"

using namespace loupe::gpu;
using Catch::Matchers::ContainsSubstring;

namespace {

RunRecord recordOf(const std::string& format,
                   const std::string& source,
                   std::vector<double> samples) {
    RunRecord record;
    record.backend = "cpu";
    record.device.name = "a CPU";
    record.device.uuid = "cpu-1";
    record.what.format = format;
    record.kernel.id = source + "_" + format;
    record.kernel.source = source;
    if (samples.empty()) {
        record.reason = "not here";
        return record;
    }
    record.timing.emplace();
    record.timing->samplesUs = std::move(samples);
    summarise(*record.timing);
    return record;
}

}  // namespace

TEST_CASE("faster is claimed beyond the quartiles alone") {
    const RunRecord base = recordOf("fp32", "cpu", {100, 101, 102, 103, 104});
    CHECK(comparisonText(base, base) == "1");
    CHECK(comparisonText(recordOf("int8", "cpu", {50, 51, 52}), base) == "2.00x faster");
    CHECK(comparisonText(recordOf("bf16", "cpu", {90, 98, 110}), base) == "no difference");
    CHECK(comparisonText(recordOf("w4a8", "cpu", {203, 204, 205}), base) == "2.00x slower");
    CHECK(comparisonText(recordOf("fp8", "cpu", {}), base) == "-");
}

TEST_CASE("a summary compares with our FP32, or with the first that was timed") {
    const std::vector<RunRecord> records{recordOf("bf16", "cpu", {50}),
                                         recordOf("fp32", "library", {80}),
                                         recordOf("fp32", "cpu", {100}),
                                         recordOf("int8", "cpu", {})};
    CHECK(comparisonBase(records) == 2);
    CHECK(comparisonBase(std::span(records).first(2)) == 0);
    CHECK(comparisonBase(std::span(records).last(1)) == 1);
    const std::string table = summaryTable(records);
    CHECK_THAT(table, ContainsSubstring("| bf16 | cpu_bf16 | 50.0 [50.0, 50.0] | 2.00x faster |"));
    CHECK_THAT(table, ContainsSubstring("| int8 | cpu_int8 | not run: not here |"));
    CHECK_THAT(table, ContainsSubstring("against cpu_fp32"));
    CHECK(summaryTable({}).empty());
}

TEST_CASE("a summary does not compare records of two machines, and tells of a busy one") {
    std::vector<RunRecord> records{recordOf("fp32", "cpu", {100}), recordOf("int8", "cpu", {50})};
    CHECK(summaryTable(records).find("quiet") == std::string::npos);
    records[0].clocks.emplace();
    records[0].clocks->foreignShare = 0.3;
    CHECK_THAT(summaryTable(records), ContainsSubstring("took up to 30.0 %"));
    records[1].device.uuid = "cpu-2";
    const std::string table = summaryTable(records);
    CHECK_THAT(table, ContainsSubstring("more than one machine"));
    CHECK(table.find("faster") == std::string::npos);
}
