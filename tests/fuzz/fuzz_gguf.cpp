// SPDX-License-Identifier: Apache-2.0
#include "core/io/packed/packed.hpp"
#include "tests/fuzz/fuzz_io_support.hpp"

namespace loupe {
extern const Reader kReader_gguf;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    loupe::OpenOptions options;
    options.layout = size % 2 == 0 ? loupe::Layout::Auto : loupe::Layout::InOut;
    auto source =
        loupe::kReader_gguf.open({loupe::fuzz::fileOf(data, size, "x.gguf"), options, {}});
    if (source) {
        source = loupe::makeLogicalSource(*source, {}, {});
    }
    loupe::fuzz::openAndRead(source);
    return 0;
}
