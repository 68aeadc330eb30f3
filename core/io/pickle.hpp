// SPDX-License-Identifier: Apache-2.0
// Python's pickle read as data. Nothing is imported, called or built: what a pickle asks for stays
// a node that says what was asked for (spec/formats.md C.4).
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// Index into Pickle::nodes.
using PickleRef = std::uint32_t;
inline constexpr PickleRef kNoPickle = std::numeric_limits<PickleRef>::max();

enum class PickleKind : std::uint8_t {
    None,
    Bool,
    Int,     ///< fits 64 bits
    BigInt,  ///< does not; `text` holds its bytes, little-endian
    Float,
    Text,
    Bytes,
    Tuple,
    List,
    Dict,  ///< items: key, value, key, value, ...
    Set,
    Global,      ///< a class or function; `text` is "module.name"
    Persistent,  ///< items: what identifies it
    Object,  ///< items: callable, arguments (a tuple), state, dict items, list items; or kNoPickle
};

/// One object of a pickle. Texts point into the pickle's bytes or into Pickle::names.
struct PickleNode {
    PickleKind kind = PickleKind::None;
    std::uint64_t offset = 0;  ///< of the opcode that made it, from the pickle's first byte
    std::int64_t integer = 0;  ///< of Bool and Int
    double real = 0;           ///< of Float
    std::string_view text;
    std::vector<PickleRef> items;

    /// Places of an Object's items.
    enum Slot : std::uint8_t { Callable, Arguments, State, DictItems, ListItems, kSlots };
};

/// What a pickle describes. Objects may be shared and may hold themselves.
struct Pickle {
    std::vector<PickleNode> nodes;
    std::vector<std::unique_ptr<const std::string>> names;  ///< of globals, each once
    PickleRef root = kNoPickle;
    std::uint64_t size = 0;  ///< bytes up to and with STOP

    [[nodiscard]] const PickleNode& operator[](PickleRef ref) const { return nodes[ref]; }
};

/// Interprets one pickle at the start of `bytes` (protocols 2 to 5), which must outlive the result.
/// Memory is bounded by the number of opcodes, at most 2^23 objects; nothing is as large as a
/// number in the file says. `place` names an offset for messages.
/// @errors Damaged (cut off, empty stack, unknown memo); Unsupported (an opcode that is not on the
/// list, too many objects), naming opcode and offset
[[nodiscard]] Result<Pickle> readPickle(
    std::string_view bytes, const std::function<std::string(std::uint64_t offset)>& place);

}  // namespace loupe
