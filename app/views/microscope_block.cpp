// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/microscope_block.hpp"

#include "core/base/text.hpp"

#include <QObject>
#include <QRegularExpression>

#include <algorithm>
#include <bit>
#include <cmath>

namespace loupe::app {

namespace {

/// Larger groups (tiles of 128 × 128 with one scale) are not asked element by element whose a bit
/// is.
constexpr std::size_t kMostExplained = 1024;

bool sameValue(double a, double b) {
    return (std::isnan(a) && std::isnan(b)) ||
           std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

}  // namespace

FieldKind roleKind(BlockRole role) {
    switch (role) {
        case BlockRole::Scale:
            return FieldKind::Scale;
        case BlockRole::SubScales:
            return FieldKind::SubScale;
        case BlockRole::Minimum:
        case BlockRole::ZeroPoint:
            return FieldKind::ZeroPoint;
        case BlockRole::Codes:
            return FieldKind::Integer;
        case BlockRole::HighBits:
            return FieldKind::HighBits;
        case BlockRole::Grid:
            return FieldKind::GridIndex;
        case BlockRole::Signs:
            return FieldKind::Sign;
        case BlockRole::Sums:
            return FieldKind::Padding;
    }
    return FieldKind::Padding;
}

FieldKind partKind(const BlockPart& part) {
    if (part.name == "exponent") {
        return FieldKind::Exponent;
    }
    if (part.name == "fraction") {
        return FieldKind::Fraction;
    }
    if (part.role == BlockRole::SubScales && part.name.rfind('m', 0) == 0) {
        return FieldKind::SubMinimum;
    }
    return roleKind(part.role);
}

MicroscopeBlock::MicroscopeBlock(BlockView view) : m_view(std::move(view)), m_bytes(m_view.bytes) {
    m_before = m_view.decode(m_view.bytes);
    findOwners();
    rebuild();
}

void MicroscopeBlock::setElement(std::int64_t element) {
    m_view.element = element;
    rebuild();
}

bool MicroscopeBlock::isSameBlock(const BlockView& other) const {
    return !m_view.spans.empty() && m_view.layout == other.layout && m_view.bytes == other.bytes &&
           m_view.cells == other.cells &&
           std::equal(m_view.spans.begin(),
                      m_view.spans.end(),
                      other.spans.begin(),
                      other.spans.end(),
                      [](const BlockSpan& a, const BlockSpan& b) {
                          return a.tensor == b.tensor && a.file == b.file && a.offset == b.offset &&
                                 a.bytes == b.bytes;
                      });
}

void MicroscopeBlock::flip(BlockBit bit) {
    m_flips.resize(m_done);
    m_flips.push_back(bit);
    redo();
}

void MicroscopeBlock::undo() {
    if (canUndo()) {
        const BlockBit bit = m_flips[--m_done];
        m_bytes[static_cast<std::size_t>(bit.byte)] ^= std::byte{1} << bit.bit;
        rebuild();
    }
}

void MicroscopeBlock::redo() {
    if (canRedo()) {
        const BlockBit bit = m_flips[m_done++];
        m_bytes[static_cast<std::size_t>(bit.byte)] ^= std::byte{1} << bit.bit;
        rebuild();
    }
}

void MicroscopeBlock::reset() {
    m_flips.clear();
    m_done = 0;
    m_bytes = m_view.bytes;
    rebuild();
}

void MicroscopeBlock::setBytes(std::vector<std::byte> bytes) {
    if (bytes != m_bytes) {
        m_flips.clear();
        m_done = 0;
        m_bytes = std::move(bytes);
        rebuild();
    }
}

void MicroscopeBlock::rebuild() {
    m_after = isEdited() ? m_view.decode(m_bytes) : m_before;
    m_part = m_view.explain(m_bytes, m_view.element);
    m_originalPart = isEdited() ? m_view.explain(m_view.bytes, m_view.element) : m_part;
    m_used.assign(m_bytes.size(), 0);
    for (const BlockPart& part : m_part.parts) {
        for (const BitRun& run : part.bits) {
            m_used[static_cast<std::size_t>(run.byte)] =
                static_cast<std::uint8_t>(m_used[static_cast<std::size_t>(run.byte)] |
                                          (((1U << static_cast<unsigned>(run.width)) - 1U)
                                           << static_cast<unsigned>(run.bit)));
        }
    }
}

void MicroscopeBlock::findOwners() {
    m_owners.assign(m_view.bytes.size() * 8, Owner{});
    m_names.clear();
    const auto nameOf = [this](const std::string& text) {
        const QString name = QString::fromStdString(text);
        const auto found = std::find(m_names.begin(), m_names.end(), name);
        if (found == m_names.end()) {
            m_names.push_back(name);
            return static_cast<std::int32_t>(m_names.size() - 1);
        }
        return static_cast<std::int32_t>(found - m_names.begin());
    };
    const std::size_t all = m_view.cells.size();
    const std::size_t asked = all <= kMostExplained ? all : 1;
    for (std::size_t i = 0; i < asked; ++i) {
        const std::int64_t element = asked == all ? static_cast<std::int64_t>(i) : m_view.element;
        for (const BlockPart& part : m_view.explain(m_view.bytes, element).parts) {
            const std::int32_t name = nameOf(part.name);
            for (const BitRun& run : part.bits) {
                for (int bit = run.bit; bit < run.bit + run.width; ++bit) {
                    Owner& owner = m_owners[static_cast<std::size_t>(run.byte * 8 + bit)];
                    const bool first = owner.element == kNobody;
                    owner.element = first ? static_cast<std::int32_t>(element) : kShared;
                    if (first) {
                        owner.kind = partKind(part);
                        const int field = fieldAt(run.byte);
                        if (owner.kind == FieldKind::Integer && field >= 0 &&
                            m_view.fields[static_cast<std::size_t>(field)].role ==
                                BlockRole::HighBits) {
                            owner.kind = FieldKind::HighBits;
                        }
                        owner.name = name;
                    }
                }
            }
        }
    }
    if (asked == all) {
        return;
    }
    // Of a large tile only one element was asked: the other bits are what their field says.
    for (const BlockViewField& field : m_view.fields) {
        for (std::int64_t bit = field.begin * 8; bit < (field.begin + field.bytes) * 8; ++bit) {
            Owner& owner = m_owners[static_cast<std::size_t>(bit)];
            if (owner.element == kNobody) {
                owner.kind = roleKind(field.role);
                owner.name = nameOf(field.name);
                owner.element = kShared;
            }
        }
    }
}

BlockEffect MicroscopeBlock::effect() const {
    BlockEffect made;
    const auto at = static_cast<std::size_t>(m_view.element);
    made.elementBefore = m_before[at];
    made.elementAfter = m_after[at];
    double squares = 0;
    double signal = 0;
    std::int64_t finite = 0;
    for (std::size_t i = 0; i < m_before.size(); ++i) {
        const double change = m_after[i] - m_before[i];
        if (std::isfinite(m_before[i])) {
            signal += m_before[i] * m_before[i];
        }
        made.broken += std::isfinite(m_before[i]) && !std::isfinite(m_after[i]) ? 1 : 0;
        if (!sameValue(m_before[i], m_after[i])) {
            ++made.changed;
            const bool worse = made.most < 0 ||
                               (!std::isfinite(change) && std::isfinite(made.mostChange)) ||
                               std::fabs(change) > std::fabs(made.mostChange);
            if (worse) {
                made.most = static_cast<std::int64_t>(i);
                made.mostChange = change;
            }
        }
        if (std::isfinite(change)) {
            squares += change * change;
            ++finite;
        }
    }
    made.rms = finite > 0 ? std::sqrt(squares / static_cast<double>(finite)) : 0;
    made.signal = m_before.empty() ? 0 : std::sqrt(signal / static_cast<double>(m_before.size()));
    return made;
}

std::uint8_t MicroscopeBlock::used(std::int64_t byte) const {
    return m_used[static_cast<std::size_t>(byte)];
}

std::uint8_t MicroscopeBlock::flipped(std::int64_t byte) const {
    const auto at = static_cast<std::size_t>(byte);
    return std::to_integer<std::uint8_t>(m_bytes[at] ^ m_view.bytes[at]);
}

const MicroscopeBlock::Owner& MicroscopeBlock::owner(std::int64_t byte, int bit) const {
    return m_owners[static_cast<std::size_t>(byte * 8 + bit)];
}

QString MicroscopeBlock::ownerName(const Owner& owner) const {
    if (owner.element == kNobody || owner.name < 0) {
        return QObject::tr("unused");
    }
    const QString& name = m_names[static_cast<std::size_t>(owner.name)];
    return owner.element == kShared ? name : QObject::tr("%1 of %2").arg(name).arg(owner.element);
}

int MicroscopeBlock::fieldAt(std::int64_t byte) const {
    for (std::size_t i = 0; i < m_view.fields.size(); ++i) {
        const BlockViewField& field = m_view.fields[i];
        if (byte >= field.begin && byte < field.begin + field.bytes) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

BlockBit MicroscopeBlock::bitOfCode(const BlockPart& part, int bit) {
    for (const BitRun& run : part.bits) {
        if (bit >= run.shift && bit < run.shift + run.width) {
            return {run.byte, run.bit + bit - run.shift};
        }
    }
    return {-1, 0};
}

int MicroscopeBlock::codeBits(const BlockPart& part) {
    int bits = 0;
    for (const BitRun& run : part.bits) {
        bits = std::max(bits, run.shift + run.width);
    }
    return bits;
}

std::uint64_t plainCode(const BlockElement& element) {
    std::uint64_t code = 0;
    for (const BlockPart& part : element.parts) {
        const int bits = MicroscopeBlock::codeBits(part);
        code = bits >= 64 ? part.code : (code << static_cast<unsigned>(bits)) | part.code;
    }
    return code;
}

std::vector<EquationRun> partEquation(const BlockElement& element, const QString& result) {
    const QString text = QString::fromStdString(element.equation);
    // Numbers stand in the order of the parts; one that is nobody's (a bias, a base) stays plain.
    static const QRegularExpression number(
        QStringLiteral("(?<![\\w.])\\d+(\\.\\d+)?([eE][-+]?\\d+)?"));
    std::vector<bool> taken(element.parts.size(), false);
    const auto kindOf = [&](const QString& found) -> std::optional<FieldKind> {
        for (std::size_t i = 0; i < element.parts.size(); ++i) {
            const BlockPart& part = element.parts[i];
            const double value = std::fabs(part.value);
            if (!taken[i] &&
                (found == QString::fromStdString(shortest(static_cast<float>(value))) ||
                 found == QString::fromStdString(shortest(value)) ||
                 found == QString::number(part.code))) {
                taken[i] = true;
                return partKind(part);
            }
        }
        return std::nullopt;
    };
    std::vector<EquationRun> runs;
    qsizetype at = 0;
    auto matches = number.globalMatch(text);
    const auto plain = [&](qsizetype end) {
        for (EquationRun& run : parseEquation(text.mid(at, end - at))) {
            runs.push_back(std::move(run));
        }
    };
    const bool hasPowers = text.contains(QLatin1Char('^'));
    while (!hasPowers && matches.hasNext()) {
        const QRegularExpressionMatch match = matches.next();
        if (const auto kind = kindOf(match.captured())) {
            plain(match.capturedStart());
            EquationRun run;
            run.text = match.captured();
            run.field = *kind;
            runs.push_back(run);
            at = match.capturedEnd();
        }
    }
    plain(text.size());
    EquationRun equals;
    equals.text = QStringLiteral(" = ");
    runs.push_back(equals);
    EquationRun value;
    value.text = result;
    value.weight = EquationRun::Weight::Result;
    runs.push_back(value);
    return runs;
}

}  // namespace loupe::app
