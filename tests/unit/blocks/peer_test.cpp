// SPDX-License-Identifier: Apache-2.0
// Against ggml's own decoders where LOUPE_PEER_GGML names a libggml-base.so (the PyPI package
// libggml-python carries one).
#include "core/blocks/block_layout.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/blocks/block_support.hpp"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <dlfcn.h>

using namespace loupe;
using namespace loupe::test;

namespace {

using Decoder = void (*)(const void* blocks, float* out, std::int64_t count);

Decoder decoderOf(void* library, const BlockLayout& layout) {
    std::string name(layout.id);
    if (name.rfind("ggml_", 0) == 0) {
        name.erase(0, 5);
    }
    if (name.size() > 2 && name.compare(name.size() - 2, 2, "_k") == 0) {
        name.back() = 'K';
    }
    return reinterpret_cast<Decoder>(::dlsym(library, ("dequantize_row_" + name).c_str()));
}

}  // namespace

TEST_CASE("random blocks decode as ggml's library decodes them, bit for bit") {
    const char* path = std::getenv("LOUPE_PEER_GGML");
    if (path == nullptr) {
        WARN("skipped: LOUPE_PEER_GGML names no libggml-base.so");
        return;
    }
    void* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(library != nullptr);
    std::uint64_t seed = 5000;
    int compared = 0;
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        const Decoder decoder = layout->ggmlType ? decoderOf(library, *layout) : nullptr;
        if (decoder == nullptr) {
            continue;
        }
        ++compared;
        std::vector<std::byte> blocks;
        for (int i = 0; i < 200; ++i) {
            const std::vector<std::byte> block =
                i % 4 == 3 ? wildBlock(*layout, ++seed) : tameBlock(*layout, ++seed);
            blocks.insert(blocks.end(), block.begin(), block.end());
        }
        const std::vector<float> ours = unpackBlocks(*layout, blocks);
        std::vector<float> theirs(ours.size());
        decoder(blocks.data(), theirs.data(), static_cast<std::int64_t>(theirs.size()));
        for (std::size_t i = 0; i < ours.size(); ++i) {
            const bool same =
                std::bit_cast<std::uint32_t>(ours[i]) == std::bit_cast<std::uint32_t>(theirs[i]) ||
                (std::isnan(ours[i]) && std::isnan(theirs[i]));
            CAPTURE(i, ours[i], theirs[i]);
            REQUIRE(same);
        }
    }
    CHECK(compared >= 20);
    CHECK(::dlclose(library) == 0);
}
