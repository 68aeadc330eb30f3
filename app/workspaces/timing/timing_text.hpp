// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/time_text.hpp"
#include "gpu/timing/record.hpp"

#include <QString>

#include <memory>
#include <string_view>
#include <vector>

namespace loupe::app {

using RecordPtr = std::shared_ptr<const gpu::RunRecord>;

/// "30.2 GB/s": three significant digits with a decimal prefix.
[[nodiscard]] QString prefixedText(double value, const QString& unit);
/// "67.14 MB", four significant digits.
[[nodiscard]] QString bytesText(double bytes);

/// "1 × 4096 × 4096"; of attention "1024 × 64", with heads, batch and mode where they are not
/// plain.
[[nodiscard]] QString shapeText(gpu::Operation operation,
                                const gpu::MatmulShape& matmul,
                                const gpu::AttentionShape& attention);
[[nodiscard]] QString shapeText(const gpu::CaseRecord& what);
[[nodiscard]] QString operationText(gpu::Operation operation);
[[nodiscard]] QString requestTitle(const gpu::TimingRequest& request);
/// "measured", "counted", "model".
[[nodiscard]] QString kindText(gpu::FigureKind kind);
/// "NVIDIA H100 80GB HBM3 · driver 580.65"; the host where it is known.
[[nodiscard]] QString machineText(const gpu::RunRecord& record);
/// "today 14:02", "yesterday 09:10", "2026-11-03 16:40", local time.
[[nodiscard]] QString whenText(const std::string& utc);
/// Which peak a case is judged by: fp32, fp16, bf16, int8, fp8.
[[nodiscard]] QString arithmeticOf(const gpu::CaseRecord& what);

/// One line per record with a header, TSV, ASCII numbers: what copy and CSV give.
[[nodiscard]] QString recordsTsv(const std::vector<RecordPtr>& records);
/// One record a line.
[[nodiscard]] QString recordsJsonl(const std::vector<RecordPtr>& records);

[[nodiscard]] inline QString fromView(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

}  // namespace loupe::app
