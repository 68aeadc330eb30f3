// SPDX-License-Identifier: Apache-2.0
#include "gpu/gpu.hpp"
#include "tests/support/catch.hpp"

TEST_CASE("the GPU probe either lists devices or says why not") {
    const loupe::gpu::Availability found = loupe::gpu::probe();
    CHECK(found.available == !found.devices.empty());
    CHECK(found.available == found.reason.empty());
}
