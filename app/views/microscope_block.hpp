// SPDX-License-Identifier: GPL-3.0-or-later
// What the block microscope knows of one block, apart from widgets: which bit is whose, the bits
// flipped by hand and what they change.
#pragma once

#include "app/widgets/bit_strip.hpp"
#include "app/widgets/equation_label.hpp"
#include "core/blocks/block_view.hpp"

#include <QString>

#include <cstdint>
#include <vector>

namespace loupe::app {

/// One bit of a block.
struct BlockBit {
    std::int64_t byte = 0;
    int bit = 0;
    friend bool operator==(const BlockBit&, const BlockBit&) = default;
};

/// What flipped bits do to a block.
struct BlockEffect {
    double elementBefore = 0;
    double elementAfter = 0;
    std::int64_t changed = 0;  ///< elements whose value differs
    std::int64_t most = -1;    ///< the one that differs most; -1: none
    double mostChange = 0;     ///< signed; infinite or NaN where a value is
    double rms = 0;            ///< of the changes over all elements
    double signal = 0;         ///< RMS of the values in the file
    std::int64_t broken = 0;   ///< values that are no finite numbers any more
};

[[nodiscard]] FieldKind roleKind(BlockRole role);
/// As roleKind(), with exponents, fractions and the minima among the sub-scales by their names.
[[nodiscard]] FieldKind partKind(const BlockPart& part);

class MicroscopeBlock {
public:
    /// Whose a bit is.
    struct Owner {
        FieldKind kind = FieldKind::Padding;
        std::int32_t element = kNobody;  ///< the only element that has it, kShared or kNobody
        std::int32_t name = -1;          ///< into the names of parts
    };
    static constexpr std::int32_t kNobody = -1;
    static constexpr std::int32_t kShared = -2;

    MicroscopeBlock() = default;
    explicit MicroscopeBlock(BlockView view);

    [[nodiscard]] const BlockView& view() const { return m_view; }
    [[nodiscard]] std::int64_t element() const { return m_view.element; }
    /// Chooses another element of the same block.
    void setElement(std::int64_t element);
    /// True where both are the same bytes of the same file.
    [[nodiscard]] bool isSameBlock(const BlockView& other) const;

    /// The bytes with the flips, and as the file has them.
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return m_bytes; }
    [[nodiscard]] const std::vector<std::byte>& original() const { return m_view.bytes; }
    void flip(BlockBit bit);
    void undo();
    void redo();
    void reset();
    [[nodiscard]] bool canUndo() const { return m_done > 0; }
    [[nodiscard]] bool canRedo() const { return m_done < m_flips.size(); }
    [[nodiscard]] bool isEdited() const { return m_bytes != m_view.bytes; }
    /// Bytes that somebody else keeps (the experiment's own edits); there is nothing to undo here.
    void setBytes(std::vector<std::byte> bytes);

    [[nodiscard]] const std::vector<double>& before() const { return m_before; }
    [[nodiscard]] const std::vector<double>& after() const { return m_after; }
    /// The chosen element with the flips, and without.
    [[nodiscard]] const BlockElement& part() const { return m_part; }
    [[nodiscard]] const BlockElement& originalPart() const { return m_originalPart; }
    [[nodiscard]] BlockEffect effect() const;

    /// Bits of a byte that the chosen element depends on, and those that are flipped.
    [[nodiscard]] std::uint8_t used(std::int64_t byte) const;
    [[nodiscard]] std::uint8_t flipped(std::int64_t byte) const;
    [[nodiscard]] const Owner& owner(std::int64_t byte, int bit) const;
    /// "q of element 205", "sc 7", "unused".
    [[nodiscard]] QString ownerName(const Owner& owner) const;
    /// The field that a byte lies in; -1: none.
    [[nodiscard]] int fieldAt(std::int64_t byte) const;
    /// The bit of a part's code, as it lies in the block. `bit` counts from the lowest.
    [[nodiscard]] static BlockBit bitOfCode(const BlockPart& part, int bit);
    /// Width of a part's code.
    [[nodiscard]] static int codeBits(const BlockPart& part);

private:
    void rebuild();
    void findOwners();

    BlockView m_view;
    std::vector<std::byte> m_bytes;
    std::vector<BlockBit> m_flips;
    std::size_t m_done = 0;
    std::vector<double> m_before;
    std::vector<double> m_after;
    BlockElement m_part;
    BlockElement m_originalPart;
    std::vector<std::uint8_t> m_used;
    std::vector<Owner> m_owners;
    std::vector<QString> m_names;
};

/// The code of a plain element of parts, most significant part first.
[[nodiscard]] std::uint64_t plainCode(const BlockElement& element);

/// The equation with each number underlined in the colour of what it is, where that is certain.
[[nodiscard]] std::vector<EquationRun> partEquation(const BlockElement& element,
                                                    const QString& result);

}  // namespace loupe::app
