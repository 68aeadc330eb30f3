// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz_io_support.hpp"

namespace loupe {
extern const Reader kReader_onnx;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    loupe::OpenOptions options;
    options.layout = size % 2 == 0 ? loupe::Layout::Auto : loupe::Layout::InOut;
    options.stored = size % 3 == 0;
    loupe::fuzz::openAndRead(
        loupe::kReader_onnx.open({loupe::fuzz::fileOf(data, size, "x.onnx"), options, {}}));
    return 0;
}
