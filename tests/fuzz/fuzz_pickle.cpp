// SPDX-License-Identifier: Apache-2.0
// The pickle alone, and what is collected from it: no archive in the way of the fuzzer.
#include "core/io/pickle.hpp"
#include "core/io/pytorch_objects.hpp"

#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const loupe::PicklePlace place = [](std::uint64_t offset) { return std::to_string(offset); };
    const auto pickle = loupe::readPickle(bytes, place);
    if (!pickle) {
        return 0;
    }
    if (pickle->size > size || pickle->nodes.size() > size) {
        std::abort();  // an object is one opcode at least
    }
    loupe::TorchObjects objects;
    if (loupe::collectTorch(*pickle, place, "", objects) &&
        objects.tensors.size() > 1024 + 16 * size) {
        std::abort();
    }
    return 0;
}
