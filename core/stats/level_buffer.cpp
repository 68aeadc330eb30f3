// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdlib>
#include <new>

#include "core/stats/pyramid.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace loupe {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kCacheLine = 64;

std::size_t roundedUp(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

LevelBuffer::LevelBuffer(std::size_t size) : size_(size) {
    if (size == 0) {
        return;
    }
    const std::size_t unit = size * sizeof(float) >= 2 * kHugePage ? kHugePage : kCacheLine;
    const std::size_t bytes = roundedUp(size * sizeof(float), unit);
    void* memory = std::aligned_alloc(unit, bytes);
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
#if defined(__linux__)
    if (unit == kHugePage) {
        ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish; harmless where refused
    }
#endif
    data_ = std::unique_ptr<float[], Free>(static_cast<float*>(memory));
}

void LevelBuffer::Free::operator()(float* data) const noexcept { std::free(data); }

}  // namespace loupe
