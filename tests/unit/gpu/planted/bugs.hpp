// SPDX-License-Identifier: Apache-2.0
// Sixteen mistakes that kernel authors make, to be found by the checked build.
#pragma once

namespace loupe::test {

enum class Planted {
    None,
    NoBarrierAfterLoad,
    NoBarrierAfterCompute,
    PastRow,
    PastArray,
    GlobalOutOfBounds,
    BufferTooShort,  ///< the test's: the kernel is right
    Misaligned,
    ThreadsLeave,
    NoWait,
    WaitOffByOne,
    StageOffByOne,
    NoBarrierInPipeline,
    WrongMatrixRow,
    SwappedLanes,
    NoSyncWarp,
    DivergentShuffle,
};

}  // namespace loupe::test
