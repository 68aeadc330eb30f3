// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"
#include "gpu/cpu/machine.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;
using namespace loupe::gpu;

TEST_CASE("the CPU's ceilings are positive, only rise, and a missing instruction has none") {
    CpuCeilings best{JobContext{}};
    CHECK(best.threads() >= 1);
    const double read = best.readGbps();
    const double fp32 = best.peak("fp32");
    CHECK(read > 0);
    CHECK(fp32 > 0);
    CHECK(best.peak("int8") > 0);
    best.refresh({});
    CHECK(best.readGbps() >= read);
    CHECK(best.peak("fp32") >= fp32);
    const CpuTarget before = setCpuTarget(CpuTarget::Baseline);
    const CpuCeilings baseline{JobContext{}};
    setCpuTarget(before);
    CHECK(baseline.peak("bf16") == 0);
    CHECK(baseline.peak("fp32") > 0);
}

TEST_CASE("a CPU is described by name, instruction set and caches") {
    const DeviceRecord device = describeCpu();
    CHECK(!device.name.empty());
    CHECK(device.uuid.rfind("cpu-", 0) == 0);
    CHECK(device.uuid == describeCpu().uuid);
    CHECK(device.l2Bytes >= 1 << 18);
    CHECK(device.multiprocessors >= 1);
    CHECK(device.computeCapability.rfind(std::string(cpuTargetName(cpuTarget())), 0) == 0);
}

TEST_CASE("a cancelled job ends probes and flushes") {
    std::stop_source stop;
    stop.request_stop();
    const JobContext ctx(stop.get_token(), nullptr);
    CHECK_THROWS_AS(CpuCeilings(ctx), Cancelled);
    CHECK_THROWS_AS(CacheFlush().run(ctx), Cancelled);
}
