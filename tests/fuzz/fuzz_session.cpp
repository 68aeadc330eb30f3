// SPDX-License-Identifier: Apache-2.0
// Experiments as JSON: whatever is accepted writes itself and reads back as the same experiment.
#include "core/experiment/experiment_spec.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const loupe::Result<loupe::ExperimentSpec> spec = loupe::experimentFromJson(text);
    if (!spec) {
        return 0;
    }
    const loupe::Result<loupe::ExperimentSpec> again =
        loupe::experimentFromJson(loupe::toJson(*spec));
    if (!again || !(*again == *spec)) {
        std::abort();
    }
    return 0;
}
