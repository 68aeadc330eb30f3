// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"
#include "gpu/cpu/machine.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;
using namespace loupe::gpu;

TEST_CASE("the CPU's ceilings are positive, and a missing instruction has none") {
    const CpuCeilings best = measureCeilings({});
    CHECK(best.threads >= 1);
    CHECK(best.readGbps > 0);
    CHECK(best.fp32Tflops > 0);
    CHECK(best.int8Tops > 0);
    CHECK(best.peak("fp32") == best.fp32Tflops);
    CHECK(best.peak("int8") == best.int8Tops);
    const CpuTarget before = setCpuTarget(CpuTarget::Baseline);
    const CpuCeilings baseline = measureCeilings({});
    setCpuTarget(before);
    CHECK(baseline.bf16Tflops == 0);
    CHECK(baseline.fp32Tflops > 0);
    CAPTURE(best.readGbps, best.fp32Tflops, best.bf16Tflops, best.int8Tops, baseline.fp32Tflops);
    CHECK(baseline.fp32Tflops <= best.fp32Tflops * 1.5);
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
    CHECK_THROWS_AS(measureCeilings(ctx), Cancelled);
    CHECK_THROWS_AS(CacheFlush().run(ctx), Cancelled);
}
