// SPDX-License-Identifier: Apache-2.0
// The true clock of the multiprocessors: time and cycles, written before and after a sample. After
// NVBench's throttling probe; no product, so there is no probe.cpp and no place in a ladder.
#include "gpu/simt/simt.hpp"

/// out[0]: nanoseconds, out[1]: cycles, both of multiprocessor 0, so that two calls can be
/// subtracted. One block for each multiprocessor. The executor has no clock: nothing is written
/// there.
SIMT_DEVICE void probeStamp(simt::gmem<std::uint64_t> out) {
#if defined(__CUDA_ARCH__)
    unsigned multiprocessor = 1;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(multiprocessor));
    if (multiprocessor == 0) {
        unsigned long long ns = 0;
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
        out[0] = ns;
        out[1] = static_cast<unsigned long long>(clock64());
    }
#else
    static_cast<void>(out);
#endif
}

/// Keeps the stream busy for so many cycles, so that what is put on it meanwhile starts without a
/// gap.
SIMT_DEVICE void probeWait(int cycles) {
#if defined(__CUDA_ARCH__)
    const long long start = clock64();
    while (clock64() - start < cycles) {
    }
#else
    static_cast<void>(cycles);
#endif
}

SIMT_KERNEL(1, probe_stamp, (simt::gmem<std::uint64_t> out), (out), probeStamp)

SIMT_KERNEL(1, probe_wait, (int cycles), (cycles), probeWait)

SIMT_ENTRIES(probe, SIMT_ENTRY(probe_stamp), SIMT_ENTRY(probe_wait))
