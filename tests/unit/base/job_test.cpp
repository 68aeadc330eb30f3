// SPDX-License-Identifier: Apache-2.0
#include "core/base/job.hpp"

#include "core/base/worker_pool.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;

TEST_CASE("a part of a job gives its share as it goes") {
    auto progress = std::make_shared<Progress>();
    const JobContext whole({}, progress);
    whole.setTotal(30);
    const JobContext part = whole.part(10);
    part.advance(5);
    CHECK(progress->done == 0);  // of a total that nobody has told
    part.setTotal(100);
    part.advance(20);
    CHECK(progress->done == 2);
    part.advance(50);
    CHECK(progress->done == 7);
    SECTION("what it never counted is given at its end, once") {
        part.finishPart();
        part.finishPart();
        CHECK(progress->done == 10);
    }
    SECTION("a second pass over its own units does not move the whole back, nor beyond the share") {
        part.setTotal(1000);
        part.advance(100);
        CHECK(progress->done == 7);
        part.advance(5000);
        CHECK(progress->done == 10);
    }
    SECTION("parts have parts") {
        const JobContext other = whole.part(20);
        other.setTotal(4);
        const JobContext inner = other.part(2);
        inner.setTotal(10);
        inner.advance(5);
        CHECK(progress->done == 12);
        inner.finishPart();
        CHECK(progress->done == 17);
    }
}

TEST_CASE("many threads give every unit of a part once") {
    auto progress = std::make_shared<Progress>();
    const JobContext whole({}, progress);
    const JobContext part = whole.part(1000);
    part.setTotal(64000);
    parallelFor(64000, 1, JobContext(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        part.advance(static_cast<std::uint64_t>(end - begin));
    });
    CHECK(progress->done == 1000);
}

TEST_CASE("a job that nobody watches has parts that nobody watches") {
    const JobContext none;
    const JobContext part = none.part(10);
    part.setTotal(5);
    part.advance(5);
    part.finishPart();
    CHECK_FALSE(part.cancelled());
}
