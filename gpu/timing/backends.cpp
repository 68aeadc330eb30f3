// SPDX-License-Identifier: Apache-2.0
#include "gpu/timing/backend.hpp"

namespace loupe::gpu {

std::span<const Backend* const> backends() {
    static const std::vector<const Backend*> kBackends{
        &cpuBackend(), &cudaBackend(), &simtBackend()};
    return kBackends;
}

const Backend* findBackend(std::string_view id) {
    for (const Backend* backend : backends()) {
        if (backend->id() == id) {
            return backend;
        }
    }
    return nullptr;
}

}  // namespace loupe::gpu
