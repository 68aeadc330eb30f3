// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>

namespace loupe::gpu {

/// Zeroed memory on a border of 4 KiB, in huge pages where it is large and the system has them:
/// page faults and TLB misses are not what a timing run measures.
class HugeBuffer {
public:
    HugeBuffer() = default;
    /// @throws std::bad_alloc
    explicit HugeBuffer(std::size_t bytes);
    ~HugeBuffer();
    HugeBuffer(HugeBuffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    HugeBuffer& operator=(HugeBuffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    HugeBuffer(const HugeBuffer&) = delete;
    HugeBuffer& operator=(const HugeBuffer&) = delete;

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return bytes_; }
    template <class T>
    [[nodiscard]] T* as() const {
        return reinterpret_cast<T*>(data_);
    }
    /// At least this many bytes; what was there is lost where it must grow.
    void reserve(std::size_t bytes) {
        if (bytes > bytes_) {
            *this = HugeBuffer(bytes);
        }
    }

private:
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace loupe::gpu
