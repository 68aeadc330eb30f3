// SPDX-License-Identifier: Apache-2.0
// Any text as a number: refused, or encoded so that its exact decimal reads back as the same code.
#include <cmath>
#include <cstdlib>

#include "core/formats/codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);
    for (const char* id : {"fp64", "bf16", "fp8_e4m3", "int8", "nf4"}) {
        const loupe::NumberFormat& format = *loupe::findFormat(id);
        const loupe::Result<loupe::EncodedNumber> number = loupe::encodeText(format, text);
        if (!number || !std::isfinite(number->value)) {
            continue;
        }
        const loupe::Result<loupe::EncodedNumber> again = loupe::encodeText(format, number->exact);
        if (!again || again->code != number->code || !again->isExact) {
            std::abort();
        }
    }
    return 0;
}
