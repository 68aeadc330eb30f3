// SPDX-License-Identifier: GPL-3.0-or-later
// "The same field in all blocks": one figure of the equation, block by block, as a histogram.
#pragma once

#include "core/base/job.hpp"
#include "core/io/tensor_source.hpp"

#include <QString>
#include <QWidget>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace loupe::app {

/// Which figure: the part `name` of element `element` of every block; of blocks whose parts have
/// other names (they say which sub-block it is) the part at `position`.
struct FieldQuestion {
    std::shared_ptr<const TensorSource> source;
    std::size_t tensor = 0;
    std::string name;
    std::size_t position = 0;
    std::int64_t element = 0;
    std::int64_t row = -1;  ///< of one row only; -1: of all
};

struct FieldValues {
    std::int64_t blocks = 0;  ///< looked at
    std::int64_t notFinite = 0;
    std::int64_t rows = 0;     ///< looked at
    std::int64_t rowsAll = 0;  ///< of the question
    double low = 0;            ///< smallest and largest finite value
    double high = 0;
    double mean = 0;
    std::vector<std::uint64_t> counts;  ///< of equal bins from low to high, the last closed
    [[nodiscard]] bool isSampled() const { return rows < rowsAll; }
};

/// Of more blocks than this only every n-th row is read.
inline constexpr std::int64_t kMostBlocks = std::int64_t{1} << 19;

/// @errors those of the source @cost about a microsecond for each block
[[nodiscard]] Result<FieldValues> collectField(const FieldQuestion& question,
                                               const JobContext& ctx);

/// The histogram with this block's value marked.
class FieldPlot : public QWidget {
    Q_OBJECT

public:
    explicit FieldPlot(QWidget* parent = nullptr);
    void setValues(std::optional<FieldValues> values, const QString& name);
    /// Shown instead of bars: computing, or why not.
    void setMessage(const QString& message, double progress = -1);
    void setHere(std::optional<double> value);
    [[nodiscard]] const std::optional<FieldValues>& values() const { return m_values; }
    [[nodiscard]] QString sentence() const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void describe();

    std::optional<FieldValues> m_values;
    QString m_name;
    QString m_message;
    double m_progress = -1;
    std::optional<double> m_here;
};

}  // namespace loupe::app
