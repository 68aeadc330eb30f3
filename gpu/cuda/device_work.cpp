// SPDX-License-Identifier: Apache-2.0
#include "gpu/cuda/device_work.hpp"

namespace loupe::gpu::cuda {

namespace {

constexpr unsigned char kPoison = 0xFF;  // NaN in every float format of two and four bytes

}  // namespace

std::size_t DeviceWork::bytesPerSet() const {
    std::size_t bytes = 0;
    for (const Buffer& buffer : item_.buffers) {
        bytes += buffer.role == BufferRole::Scratch ? 0 : buffer.bytes;
    }
    return bytes;
}

Result<void> DeviceWork::addSet() {
    std::vector<DevicePointer> pointers;
    std::vector<DeviceMemory> memory;
    for (const Buffer& buffer : item_.buffers) {
        Result<DeviceMemory> allocated = DeviceMemory::allocate(context_, buffer.bytes);
        if (!allocated) {
            return fail(allocated.error());
        }
        pointers.push_back(allocated->pointer());
        memory.push_back(std::move(*allocated));
    }
    std::move(memory.begin(), memory.end(), std::back_inserter(memory_));
    pointers_.push_back(std::move(pointers));
    return {};
}

Result<void> DeviceWork::prepare() {
    if (Result<void> added = addSet(); !added) {
        return added;
    }
    for (std::size_t i = 0; i < item_.buffers.size(); ++i) {
        const Buffer& buffer = item_.buffers[i];
        Result<void> done = buffer.role == BufferRole::Input ? memory_[i].upload(buffer.contents)
                                                             : memory_[i].fill(kPoison);
        if (!done) {
            return done;
        }
    }
    return context_.synchronize();
}

Result<void> DeviceWork::growTo(std::size_t count) {
    while (pointers_.size() < count) {
        if (Result<void> added = addSet(); !added) {
            return added.error().code == ErrorCode::OutOfMemory ? Result<void>() : added;
        }
        for (std::size_t i = 0; i < item_.buffers.size(); ++i) {
            const Buffer& buffer = item_.buffers[i];
            if (buffer.role != BufferRole::Input || buffer.bytes == 0) {
                continue;
            }
            if (Result<void> done = context_.check(
                    context_.driver().memcpyDtoDAsync(
                        pointers_.back()[i], pointers_.front()[i], buffer.bytes, context_.stream()),
                    "cuMemcpyDtoDAsync");
                !done) {
                return done;
            }
        }
    }
    return context_.synchronize();
}

Result<void> DeviceWork::enqueue(std::size_t set) {
    return item_.enqueue(pointers_[set % pointers_.size()]);
}

Result<std::vector<std::byte>> DeviceWork::downloadOutput() {
    const auto index = static_cast<std::size_t>(item_.output);
    std::vector<std::byte> bytes(item_.buffers[index].bytes);
    if (Result<void> done = memory_[index].download(bytes); !done) {
        return fail(done.error());
    }
    return bytes;
}

}  // namespace loupe::gpu::cuda
