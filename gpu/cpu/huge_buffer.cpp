// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/huge_buffer.hpp"

#include <new>
#include <sys/mman.h>

namespace loupe::gpu {

HugeBuffer::HugeBuffer(std::size_t bytes) {
    constexpr std::size_t kHuge = std::size_t{2} << 20;
    constexpr std::size_t kPage = 4096;
    const std::size_t unit = bytes >= kHuge ? kHuge : kPage;
    bytes_ = (bytes + unit - 1) / unit * unit;
    if (bytes_ == 0) {
        return;
    }
    void* memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        bytes_ = 0;
        throw std::bad_alloc{};
    }
#if defined(MADV_HUGEPAGE)
    if (bytes_ >= kHuge) {
        ::madvise(memory, bytes_, MADV_HUGEPAGE);  // a wish: refused is no error
    }
#endif
    data_ = static_cast<std::byte*>(memory);
}

HugeBuffer::~HugeBuffer() {
    if (data_ != nullptr) {
        ::munmap(data_, bytes_);
    }
}

}  // namespace loupe::gpu
