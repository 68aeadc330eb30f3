// SPDX-License-Identifier: Apache-2.0
#include "core/formats/storage_type.hpp"

#include "core/base/assert.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/format_kernels.hpp"
#include "core/formats/kernel_setup.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

namespace loupe {

namespace {

static_assert(std::endian::native == std::endian::little,
              "elements are read as they lie in memory");

/// The types that only containers have.
enum class Plain : std::uint8_t {
    None,
    Bool,
    Int64,
    Uint64,
    Complex64,
    Complex128,
    Fp64,
    Fp32,
    Int32,
    Uint32
};

struct Entry {
    StorageType type;
    Plain plain = Plain::None;
    std::vector<float> values;  ///< of every code, for formats of at most 16 bits
    detail::MiniFloat mini;     ///< meaningful where detail::isMiniFloat(*type.format)
};

Plain plainOf(std::string_view id) {
    constexpr std::array<std::pair<std::string_view, Plain>, 9> kPlain{
        {{"bool", Plain::Bool},
         {"int64", Plain::Int64},
         {"uint64", Plain::Uint64},
         {"complex64", Plain::Complex64},
         {"complex128", Plain::Complex128},
         {"fp64", Plain::Fp64},
         {"fp32", Plain::Fp32},
         {"int32", Plain::Int32},
         {"uint32", Plain::Uint32}}};
    for (const auto& [name, plain] : kPlain) {
        if (name == id) {
            return plain;
        }
    }
    return Plain::None;
}

std::vector<Entry> makeEntries() {
    std::vector<Entry> entries;
    for (const NumberFormat* format : allFormats()) {
        if (format->id == "tf32") {
            continue;  // lives in registers only
        }
        Entry entry{{format->id, format->bits, format}, plainOf(format->id), {}, {}};
        if (format->bits <= 16) {
            for (std::uint64_t code = 0; code < std::uint64_t{1} << format->bits; ++code) {
                entry.values.push_back(static_cast<float>(decode(*format, code)));
            }
        }
        if (detail::isMiniFloat(*format)) {
            entry.mini = detail::miniFloat(*format, Overflow::Default);
        }
        entries.push_back(std::move(entry));
    }
    for (const auto& [id, bits] : {std::pair{"bool", 8},
                                   {"int64", 64},
                                   {"uint64", 64},
                                   {"complex64", 64},
                                   {"complex128", 128}}) {
        entries.push_back({{id, bits, nullptr}, plainOf(id), {}, {}});
    }
    return entries;
}

const std::vector<Entry>& entries() {
    static const std::vector<Entry> all = makeEntries();
    return all;
}

const Entry& entryOf(const StorageType& type) {
    for (const Entry& entry : entries()) {
        if (entry.type == type) {
            return entry;
        }
    }
    throw LogicError("not a storage type: " + std::string(type.id));
}

template <class T>
T read(const std::byte* at) {
    T value{};
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class Stored, class Out>
void convert(const std::byte* from, std::int64_t count, Out* out) {
    constexpr auto kSize = static_cast<std::int64_t>(sizeof(Stored));
    for (std::int64_t i = 0; i < count; ++i) {
        out[i] = static_cast<Out>(read<Stored>(from + i * kSize));
    }
}

template <class Part, class Out>
void convertComplex(const std::byte* from, std::int64_t count, Out* out) {
    constexpr auto kSize = static_cast<std::int64_t>(sizeof(Part));
    for (std::int64_t i = 0; i < count; ++i) {
        const auto real = static_cast<double>(read<Part>(from + 2 * i * kSize));
        const auto imaginary = static_cast<double>(read<Part>(from + (2 * i + 1) * kSize));
        out[i] = static_cast<Out>(std::hypot(real, imaginary));
    }
}

/// Code of a packed element, low bits first; may straddle a byte.
std::uint64_t packedCode(std::span<const std::byte> bytes, int bits, std::int64_t index) {
    const std::int64_t bit = index * bits;
    const auto at = static_cast<std::size_t>(bit / 8);
    const auto offset = static_cast<unsigned>(bit % 8);
    auto window = static_cast<unsigned>(bytes[at]);
    if (offset + static_cast<unsigned>(bits) > 8) {
        window |= static_cast<unsigned>(bytes[at + 1]) << 8U;
    }
    return (window >> offset) & ((1U << static_cast<unsigned>(bits)) - 1U);
}

template <class Out>
void decodeTable(const Entry& entry,
                 std::span<const std::byte> bytes,
                 std::int64_t first,
                 std::int64_t count,
                 Out* out) {
    const float* values = entry.values.data();
    if (entry.type.bits == 8) {
        const std::byte* from = bytes.data() + first;
        for (std::int64_t i = 0; i < count; ++i) {
            out[i] = static_cast<Out>(values[static_cast<std::uint8_t>(from[i])]);
        }
    } else if (entry.type.bits == 16) {
        const std::byte* from = bytes.data() + 2 * first;
        for (std::int64_t i = 0; i < count; ++i) {
            out[i] = static_cast<Out>(values[read<std::uint16_t>(from + 2 * i)]);
        }
    } else {
        for (std::int64_t i = 0; i < count; ++i) {
            out[i] = static_cast<Out>(values[packedCode(bytes, entry.type.bits, first + i)]);
        }
    }
}

/// True if a kernel did it.
bool decodeByKernel(const Entry& entry, const std::byte* from, std::int64_t count, float* out) {
    const detail::FormatKernels& kernels = detail::formatKernels();
    if (entry.type.id == "bf16") {
        kernels.decodeBf16(from, count, out);
    } else if (entry.type.id == "int8") {
        kernels.decodeInt8(from, count, out);
    } else if (entry.type.id == "uint8") {
        kernels.decodeUint8(from, count, out);
    } else if (entry.type.bits < 8 || entry.type.bits > 16 ||
               !detail::isMiniFloat(*entry.type.format)) {
        return false;
    } else if (entry.type.bits == 8) {
        kernels.decodeMini8(from, count, entry.mini, out);
    } else {
        kernels.decodeMini16(from, count, entry.mini, out);
    }
    return true;
}

template <class Out>
void decodeCodes(const Entry& entry,
                 std::span<const std::byte> bytes,
                 std::int64_t first,
                 std::int64_t count,
                 Out* out) {
    if constexpr (std::is_same_v<Out, float>) {
        if (entry.type.bits >= 8 &&
            decodeByKernel(entry, bytes.data() + first * (entry.type.bits / 8), count, out)) {
            return;
        }
    }
    decodeTable(entry, bytes, first, count, out);
}

template <class Out>
void decodeAll(const StorageType& type,
               std::span<const std::byte> bytes,
               std::int64_t first,
               std::int64_t count,
               Out* out) {
    if (count == 0) {
        return;
    }
    LOUPE_ASSERT(first >= 0 && count >= 0, "an element range must not be negative");
    LOUPE_ASSERT((first + count) * type.bits <= static_cast<std::int64_t>(bytes.size()) * 8,
                 "the elements must lie inside the bytes");
    const Entry& entry = entryOf(type);
    const std::byte* from = type.bits >= 8 ? bytes.data() + first * (type.bits / 8) : bytes.data();
    switch (entry.plain) {
        case Plain::None:
            return decodeCodes(entry, bytes, first, count, out);
        case Plain::Bool:
            for (std::int64_t i = 0; i < count; ++i) {
                out[i] = from[i] == std::byte{0} ? Out{0} : Out{1};
            }
            return;
        case Plain::Int64:
            return convert<std::int64_t>(from, count, out);
        case Plain::Uint64:
            return convert<std::uint64_t>(from, count, out);
        case Plain::Int32:
            return convert<std::int32_t>(from, count, out);
        case Plain::Uint32:
            return convert<std::uint32_t>(from, count, out);
        case Plain::Complex64:
            return convertComplex<float>(from, count, out);
        case Plain::Complex128:
            return convertComplex<double>(from, count, out);
        case Plain::Fp64:
            return convert<double>(from, count, out);
        case Plain::Fp32:
            if constexpr (std::is_same_v<Out, float>) {
                std::memcpy(out, from, static_cast<std::size_t>(count) * sizeof(float));
                return;
            }
            return convert<float>(from, count, out);
    }
}

}  // namespace

const StorageType* findStorageType(std::string_view id) {
    for (const Entry& entry : entries()) {
        if (entry.type.id == id) {
            return &entry.type;
        }
    }
    return nullptr;
}

void decodeElements(const StorageType& type,
                    std::span<const std::byte> bytes,
                    std::int64_t first,
                    std::int64_t count,
                    float* out) {
    decodeAll(type, bytes, first, count, out);
}

void decodeElements(const StorageType& type,
                    std::span<const std::byte> bytes,
                    std::int64_t first,
                    std::int64_t count,
                    double* out) {
    decodeAll(type, bytes, first, count, out);
}

std::uint64_t elementCode(const StorageType& type,
                          std::span<const std::byte> bytes,
                          std::int64_t index) {
    LOUPE_ASSERT(
        index >= 0 && (index + 1) * type.bits <= static_cast<std::int64_t>(bytes.size()) * 8,
        "the element must lie inside the bytes");
    if (type.bits < 8) {
        return packedCode(bytes, type.bits, index);
    }
    const int size = std::min(type.bits, 64) / 8;
    std::uint64_t code = 0;
    std::memcpy(&code, bytes.data() + index * (type.bits / 8), static_cast<std::size_t>(size));
    return code;
}

}  // namespace loupe
