// SPDX-License-Identifier: Apache-2.0
// The index of a sharded checkpoint, and config.json. Shards that an index names do not exist in
// "/nonexistent".
#include "tests/fuzz/fuzz_io_support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    loupe::fuzz::openAndRead(
        loupe::openShardedIndex(loupe::fuzz::fileOf(data, size, "/nonexistent/x.index.json"), {}));
    static_cast<void>(
        loupe::parseModelConfig(std::string(reinterpret_cast<const char*>(data), size)));
    return 0;
}
