// SPDX-License-Identifier: Apache-2.0
// Pickles and zip archives put together by hand, for what no library would write.
#pragma once

#include "tests/unit/io/io_support.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace loupe::test {

[[gnu::noinline]] inline std::string little(std::uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) {
        text += static_cast<char>(value >> (8 * i));
    }
    return text;
}

/// All pieces one after the other: g++ 12 sees overflows in long sums of strings that are not
/// there.
[[gnu::noinline]] inline std::string joined(const std::vector<std::string>& pieces) {
    std::string text;
    for (const std::string& piece : pieces) {
        text += piece;
    }
    return text;
}

inline std::uint32_t crcOf(const std::string& bytes) {
    std::uint32_t crc = 0xFFFFFFFF;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
        }
    }
    return ~crc;
}

struct ZipEntry {
    std::string name;
    std::string data;       ///< as stored
    bool deflated = false;  ///< `data` is a deflate stream of `whole`
    std::string whole{};
};

/// A deflate stream of blocks that hold their bytes as they are.
inline std::string deflateStored(const std::string& bytes) {
    constexpr std::size_t kMost = 65535;
    std::string stream;
    for (std::size_t at = 0; at < bytes.size() || at == 0; at += kMost) {
        const std::string block = bytes.substr(at, kMost);
        stream += static_cast<char>(at + kMost >= bytes.size() ? 1 : 0);
        stream += little(block.size(), 2);
        stream += little(~block.size(), 2);
        stream += block;
    }
    return stream;
}

inline ZipEntry deflatedEntry(const std::string& name, const std::string& bytes) {
    return {name, deflateStored(bytes), true, bytes};
}

inline std::string zipOf(const std::vector<ZipEntry>& entries) {
    std::string file;
    std::string directory;
    for (const ZipEntry& entry : entries) {
        const std::string& whole = entry.deflated ? entry.whole : entry.data;
        const std::string sizes = joined({little(entry.deflated ? 8 : 0, 2),
                                          little(0, 4),
                                          little(crcOf(whole), 4),
                                          little(entry.data.size(), 4),
                                          little(whole.size(), 4),
                                          little(entry.name.size(), 2),
                                          little(0, 2)});
        directory += joined({"PK\x01\x02",
                             little(20, 2),
                             little(20, 2),
                             little(0, 2),
                             sizes,
                             little(0, 2),
                             little(0, 2),
                             little(0, 2),
                             little(0, 4),
                             little(file.size(), 4),
                             entry.name});
        file += joined({"PK\x03\x04", little(20, 2), little(0, 2), sizes, entry.name, entry.data});
    }
    const std::size_t start = file.size();
    file += directory;
    file += joined({"PK\x05\x06",
                    little(0, 4),
                    little(entries.size(), 2),
                    little(entries.size(), 2),
                    little(directory.size(), 4),
                    little(start, 4),
                    little(0, 2)});
    return file;
}

// --- pieces of pickles

inline const std::string kPickleStart{"\x80\x02", 2};

inline std::string pickled(const std::string& text) {
    return joined({"X", little(text.size(), 4), text});
}
inline std::string pickled(std::int64_t number) {
    return joined({"\x8a\x08", little(static_cast<std::uint64_t>(number), 8)});
}
inline std::string pickledTuple(const std::vector<std::int64_t>& numbers) {
    std::string text = "(";
    for (const std::int64_t number : numbers) {
        text += pickled(number);
    }
    return text + "t";
}
inline std::string pickledGlobal(const std::string& module, const std::string& name) {
    return joined({"c", module, "\n", name, "\n"});
}
/// `module.name(text)`.
inline std::string pickledCall(const std::string& module,
                               const std::string& name,
                               const std::string& text) {
    return joined({pickledGlobal(module, name), pickled(text), "\x85R"});
}
inline std::string pickledStorage(const std::string& type,
                                  const std::string& key,
                                  std::int64_t count) {
    return joined({"(",
                   pickled("storage"),
                   pickledGlobal("torch", type),
                   pickled(key),
                   pickled("cpu"),
                   pickled(count),
                   "tQ"});
}
inline std::string pickledTensor(const std::string& storage,
                                 std::int64_t start,
                                 const std::vector<std::int64_t>& sizes,
                                 const std::vector<std::int64_t>& strides) {
    return joined({pickledGlobal("torch._utils", "_rebuild_tensor_v2"),
                   "(",
                   storage,
                   pickled(start),
                   pickledTuple(sizes),
                   pickledTuple(strides),
                   "\x89",
                   pickledGlobal("collections", "OrderedDict"),
                   ")RtR"});
}
inline std::string pickledTensorV3(const std::string& storage,
                                   const std::vector<std::int64_t>& sizes,
                                   const std::vector<std::int64_t>& strides,
                                   const std::string& dtype) {
    return joined({pickledGlobal("torch._utils", "_rebuild_tensor_v3"),
                   "(",
                   storage,
                   pickled(std::int64_t{0}),
                   pickledTuple(sizes),
                   pickledTuple(strides),
                   "\x89}",
                   pickledGlobal("torch", dtype),
                   "tR"});
}
/// {"w": what}, the whole pickle.
inline std::string pickledDict(const std::string& what) {
    return joined({kPickleStart, "}", pickled("w"), what, "s."});
}
/// A checkpoint of this pickle and one storage "0" of 24 bytes.
inline std::string torchZip(const std::string& pickle) {
    return zipOf(
        {{"m/data.pkl", pickle}, {"m/data/0", std::string(24, '\1')}, {"m/version", "3\n"}});
}
/// The same in the form before 1.6.
inline std::string torchLegacy(const std::string& pickle, const std::string& storages) {
    return joined({kPickleStart,
                   std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13),
                   kPickleStart,
                   "M\xe9\x03.",
                   kPickleStart,
                   "}.",
                   pickle,
                   storages});
}
/// The list of one storage "0" and its bytes.
inline std::string legacyStorages(std::uint64_t count, const std::string& bytes) {
    return joined({kPickleStart, "]", pickled("0"), "a.", little(count, 8), bytes});
}

}  // namespace loupe::test
