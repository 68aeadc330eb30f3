// SPDX-License-Identifier: Apache-2.0
// The records that the project keeps of a real device are readable, of one machine, and of right
// results.
#include "gpu/kernels/kernel.hpp"
#include "gpu/timing/record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fstream>
#include <set>
#include <string>

using namespace loupe;
using namespace loupe::gpu;

TEST_CASE("kept records of a device: readable, one machine, right before timed") {
    std::ifstream file(test::sourceDir() / "resources" / "evidence" / "h100-sxm5-2026-11-22.jsonl");
    REQUIRE(file.good());
    std::set<std::string> machines;
    std::set<std::string> kernels;
    std::string line;
    while (std::getline(file, line)) {
        const Result<RunRecord> record = parseRecord(line);
        REQUIRE(record.has_value());
        CAPTURE(record->kernel.id);
        CHECK(record->kind == FigureKind::Measured);
        REQUIRE(record->check.has_value());
        CHECK(record->check->passed);
        CHECK(record->check->relFro <= record->check->tolerance);
        REQUIRE(record->timing.has_value());
        const TimingRecord& again = *record->timing;
        CHECK(again.samplesUs.size() >= 2);  // the slowest case stops by its time
        CHECK(again.minUs <= again.q1Us);
        CHECK(again.q1Us <= again.medianUs);
        CHECK(again.medianUs <= again.q3Us);
        machines.insert(machineKey(*record));
        kernels.insert(record->kernel.id);
    }
    CHECK(machines.size() == 1);
    // Every kernel that ships was measured on it.
    for (const KernelFamily* family : kernelFamilies()) {
        for (const Kernel& kernel : family->kernels) {
            CAPTURE(kernel.id);
            CHECK(kernels.count(std::string(kernel.id)) == 1);
        }
    }
}
