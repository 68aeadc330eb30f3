// SPDX-License-Identifier: Apache-2.0
#include "gpu/kernels/embedded.hpp"
#include "gpu/kernels/kernel.hpp"

#include <array>

namespace loupe::gpu {

#define LOUPE_KERNEL(id) extern const KernelFamily kKernels_##id;
#include "gpu/kernels/kernels.def"
#undef LOUPE_KERNEL

namespace {

const KernelFamily* const kFamilyList[] = {
#define LOUPE_KERNEL(id) &kKernels_##id,
#include "gpu/kernels/kernels.def"
#undef LOUPE_KERNEL
};

const EmbeddedFamily* embedded(std::string_view family) {
    for (const EmbeddedFamily& entry : embeddedFamilies()) {
        if (entry.family == family) {
            return &entry;
        }
    }
    return nullptr;
}

}  // namespace

std::span<const KernelFamily* const> kernelFamilies() {
    return kFamilyList;
}

const Kernel* findKernel(std::string_view id) {
    for (const KernelFamily* family : kernelFamilies()) {
        for (const Kernel& kernel : family->kernels) {
            if (kernel.id == id) {
                return &kernel;
            }
        }
    }
    return nullptr;
}

std::string_view kernelSource(std::string_view family) {
    const EmbeddedFamily* entry = embedded(family);
    return entry == nullptr
               ? std::string_view()
               : std::string_view(entry->textBegin,
                                  static_cast<std::size_t>(entry->textEnd - entry->textBegin));
}

std::string_view kernelSha256(std::string_view family) {
    const EmbeddedFamily* entry = embedded(family);
    return entry == nullptr ? std::string_view() : entry->sha256;
}

std::span<const std::byte> fatBinary(std::string_view family) {
    const EmbeddedFamily* entry = embedded(family);
    if (entry == nullptr || entry->deviceBegin == nullptr) {
        return {};
    }
    return std::as_bytes(std::span(
        entry->deviceBegin, static_cast<std::size_t>(entry->deviceEnd - entry->deviceBegin)));
}

}  // namespace loupe::gpu
