// SPDX-License-Identifier: Apache-2.0
#include "core/io/npy_writer.hpp"

#include "core/io/atomic_file.hpp"
#include "core/io/layout.hpp"

#include <array>
#include <string>
#include <utility>

namespace loupe {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kDescr{
    {{"bool", "|b1"},
     {"int8", "|i1"},
     {"uint8", "|u1"},
     {"int16", "<i2"},
     {"uint16", "<u2"},
     {"int32", "<i4"},
     {"uint32", "<u4"},
     {"int64", "<i8"},
     {"uint64", "<u8"},
     {"fp16", "<f2"},
     {"fp32", "<f4"},
     {"fp64", "<f8"},
     {"complex64", "<c8"},
     {"complex128", "<c16"}}};

std::string headerText(std::string_view descr, const std::vector<std::int64_t>& shape) {
    constexpr std::size_t kPreamble = 10;
    constexpr std::size_t kAlign = 64;
    constexpr std::size_t kGrowth =
        21;  // digits that numpy.save keeps free for appending along the first axis
    std::string dims;
    for (const std::int64_t dim : shape) {
        dims += dims.empty() ? "" : ", ";
        dims += std::to_string(dim);
    }
    dims += shape.size() == 1 ? "," : "";
    std::string text = "{'descr': '";
    text += descr;
    text += "', 'fortran_order': False, 'shape': (" + dims + "), }";
    if (!shape.empty()) {
        text.append(kGrowth - std::to_string(shape.front()).size(), ' ');
    }
    text.append((kAlign - (kPreamble + text.size() + 1) % kAlign) % kAlign, ' ');
    return text + "\n";
}

}  // namespace

Result<void> writeNpy(const std::filesystem::path& path,
                      std::string_view dtype,
                      const std::vector<std::int64_t>& shape,
                      const ByteProducer& produce) {
    std::string_view descr;
    for (const auto& [id, text] : kDescr) {
        descr = id == dtype ? text : descr;
    }
    const std::optional<std::uint64_t> count = elementCount(shape);
    if (descr.empty() || !count || shape.size() > 32) {
        return fail(ErrorCode::Unsupported,
                    ".npy cannot hold an array of type " + std::string(dtype),
                    path.string());
    }
    const std::string header = headerText(descr, shape);
    std::string start("\x93NUMPY\x01\x00", 8);
    start += static_cast<char>(header.size() & 0xFF);
    start += static_cast<char>(header.size() >> 8);
    AtomicFile file;
    Result<void> done = file.open(path);
    if (done) {
        done = file.write(start + header);
    }
    if (done) {
        done = produce([&file](std::span<const std::byte> piece) { return file.write(piece); });
    }
    return done ? file.commit() : done;
}

}  // namespace loupe
