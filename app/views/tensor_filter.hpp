// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/io/tensor_source.hpp"
#include "core/stats/tensor_flags.hpp"

#include <QRegularExpression>
#include <QString>

#include <functional>
#include <span>
#include <vector>

namespace loupe::app {

/// What the tree's filter field means. Words separated by blanks, all of which must hold:
///   text           the name contains it (any case)
///   glob*with?     the whole name matches, as in `--tensor`
///   /regex/        the name contains a match
///   dtype:bf16     the stored dtype (or the way of packing: gptq) contains it
///   shape:4096x*   the shape matches, extents joined by x
///   badge:dup      a scan raised that flag: its id or badge, or any
///   size>10M       bytes, with k M G T (decimal); also <, >=, <=
class TensorFilter {
public:
    TensorFilter() = default;
    explicit TensorFilter(const QString& text);

    [[nodiscard]] bool empty() const { return m_tests.empty() && m_flagTests.empty(); }
    /// Why the text is not understood (a broken regular expression, a size without number); empty:
    /// fine.
    [[nodiscard]] const QString& problem() const { return m_problem; }
    /// @param flags  what a scan found; empty where it has not come to the tensor
    [[nodiscard]] bool accepts(const TensorInfo& tensor,
                               std::span<const RaisedFlag> flags = {}) const;
    /// What is accepted changes as a scan goes on.
    [[nodiscard]] bool usesFlags() const { return !m_flagTests.empty(); }

private:
    void addWord(const QString& word);
    void addSize(const QString& word);

    std::vector<std::function<bool(const TensorInfo&)>> m_tests;
    std::vector<std::function<bool(std::span<const RaisedFlag>)>> m_flagTests;
    QString m_problem;
};

/// "4096x4096"; "scalar" for no extents.
[[nodiscard]] std::string shapeText(const TensorInfo& tensor, const char* separator = "x");

}  // namespace loupe::app
