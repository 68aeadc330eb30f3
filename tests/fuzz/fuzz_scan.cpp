// SPDX-License-Identifier: Apache-2.0
// Files of scans: whatever is accepted writes itself and reads back with the same text, and joins
// with itself or says why not.
#include "core/experiment/scan_file.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::string linesOf(const loupe::ScanDocument& document) {
    loupe::JsonWriter header;
    loupe::writeScanHeader(header, document.header);
    std::string text = header.text() + "\n";
    for (const loupe::ScanRow& row : document.rows) {
        loupe::JsonWriter line;
        loupe::writeScanRow(line, row);
        text += line.text() + "\n";
    }
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const loupe::Result<loupe::ScanDocument> scan = loupe::parseScan(text, "fuzz");
    if (!scan) {
        return 0;
    }
    const std::string lines = linesOf(*scan);
    const loupe::Result<loupe::ScanDocument> again = loupe::parseScan(lines, "fuzz");
    if (!again || linesOf(*again) != lines) {
        std::abort();
    }
    const std::array<loupe::ScanDocument, 2> parts{*scan, *again};
    const std::array<std::string, 2> names{"a", "b"};
    (void)loupe::mergeScans(parts, names);
    return 0;
}
