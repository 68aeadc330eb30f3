// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/calibration.hpp"

#include "core/base/rng.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace loupe {

namespace {

/// The rows of another matrix in another order. Rows that follow each other are read together.
class ReorderedRows final : public RowSource {
public:
    ReorderedRows(std::shared_ptr<const RowSource> source, std::vector<std::int64_t> order)
        : source_(std::move(source)), order_(std::move(order)) {}
    [[nodiscard]] std::int64_t rows() const override {
        return static_cast<std::int64_t>(order_.size());
    }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return readRuns(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return readRuns(first, count, out);
    }

private:
    template <class T>
    Result<void> readRuns(std::int64_t first, std::int64_t count, T* out) const {
        for (std::int64_t done = 0; done < count;) {
            const std::int64_t row = order_[static_cast<std::size_t>(first + done)];
            std::int64_t run = 1;
            while (done + run < count &&
                   order_[static_cast<std::size_t>(first + done + run)] == row + run) {
                ++run;
            }
            if (Result<void> read = source_->read(row, run, out + done * cols()); !read) {
                return read;
            }
            done += run;
        }
        return {};
    }

    std::shared_ptr<const RowSource> source_;
    std::vector<std::int64_t> order_;
};

}  // namespace

std::optional<CalibrationChoice> parseCalibrationChoice(std::string_view text) {
    if (text == "first") {
        return CalibrationChoice::First;
    }
    if (text == "spread") {
        return CalibrationChoice::Spread;
    }
    if (text == "random") {
        return CalibrationChoice::Random;
    }
    return std::nullopt;
}

std::vector<std::int64_t> calibrationRows(const Calibration& calibration, std::int64_t total) {
    const bool all = calibration.rows <= 0 || calibration.rows >= total;
    const std::int64_t count = all ? total : calibration.rows;
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    if (all || calibration.choice == CalibrationChoice::First) {
        return rows;
    }
    if (calibration.choice == CalibrationChoice::Spread) {
        // floor(i·total / count) without overflow.
        for (std::int64_t& row : rows) {
            row = row * (total / count) + row * (total % count) / count;
        }
        return rows;
    }
    // Those with the smallest random keys.
    std::vector<std::pair<std::uint64_t, std::int64_t>> keys(static_cast<std::size_t>(total));
    for (std::int64_t row = 0; row < total; ++row) {
        keys[static_cast<std::size_t>(row)] = {
            randomBits(calibration.seed, static_cast<std::uint64_t>(row)), row};
    }
    std::nth_element(keys.begin(), keys.begin() + count, keys.end());
    std::transform(keys.begin(), keys.begin() + count, rows.begin(), [](const auto& key) {
        return key.second;
    });
    std::sort(rows.begin(), rows.end());
    return rows;
}

CalibratedRows calibrated(std::shared_ptr<const RowSource> rows, const Calibration& calibration) {
    if (rows == nullptr || calibration.rows <= 0 || calibration.rows >= rows->rows() ||
        calibration.choice == CalibrationChoice::First) {
        return {std::move(rows), {}};
    }
    std::vector<std::int64_t> order = calibrationRows(calibration, rows->rows());
    std::vector<bool> chosen(static_cast<std::size_t>(rows->rows()));
    for (const std::int64_t row : order) {
        chosen[static_cast<std::size_t>(row)] = true;
    }
    for (std::int64_t row = 0; row < rows->rows(); ++row) {
        if (!chosen[static_cast<std::size_t>(row)]) {
            order.push_back(row);
        }
    }
    auto reordered = std::make_shared<ReorderedRows>(std::move(rows), order);
    return {std::move(reordered), std::move(order)};
}

}  // namespace loupe
