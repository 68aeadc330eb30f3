// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loupe {

/// A borrowed row-major matrix: the currency of core. Weights are [out_features, in_features].
template <class T>
struct MatrixView {
    T* data = nullptr;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t rowStride = 0;  ///< in elements

    MatrixView() = default;
    MatrixView(T* first, std::int64_t rowCount, std::int64_t colCount)
        : MatrixView(first, rowCount, colCount, colCount) {}
    MatrixView(T* first, std::int64_t rowCount, std::int64_t colCount, std::int64_t stride)
        : data(first), rows(rowCount), cols(colCount), rowStride(stride) {}

    [[nodiscard]] std::span<T> row(std::int64_t index) const {
        return {data + index * rowStride, static_cast<std::size_t>(cols)};
    }
    [[nodiscard]] T& operator()(std::int64_t row, std::int64_t col) const {
        return data[row * rowStride + col];
    }
    [[nodiscard]] std::int64_t size() const noexcept { return rows * cols; }

    // NOLINTNEXTLINE(google-explicit-constructor): a view of T converts to a view of const T, as span does
    operator MatrixView<const T>() const { return {data, rows, cols, rowStride}; }
};

/// An owned row-major matrix.
template <class T>
class Matrix {
public:
    Matrix() = default;
    Matrix(std::int64_t rows, std::int64_t cols)
        : rows_(rows), cols_(cols), data_(static_cast<std::size_t>(rows * cols)) {}

    [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::int64_t cols() const noexcept { return cols_; }
    [[nodiscard]] std::int64_t size() const noexcept { return rows_ * cols_; }
    [[nodiscard]] bool empty() const noexcept { return data_.empty(); }
    [[nodiscard]] T* data() noexcept { return data_.data(); }
    [[nodiscard]] const T* data() const noexcept { return data_.data(); }
    [[nodiscard]] std::span<T> row(std::int64_t index) {
        return {data_.data() + index * cols_, static_cast<std::size_t>(cols_)};
    }
    [[nodiscard]] std::span<const T> row(std::int64_t index) const {
        return {data_.data() + index * cols_, static_cast<std::size_t>(cols_)};
    }
    [[nodiscard]] T& operator()(std::int64_t row, std::int64_t col) {
        return data_[static_cast<std::size_t>(row * cols_ + col)];
    }
    [[nodiscard]] const T& operator()(std::int64_t row, std::int64_t col) const {
        return data_[static_cast<std::size_t>(row * cols_ + col)];
    }
    [[nodiscard]] MatrixView<T> view() { return {data_.data(), rows_, cols_}; }
    [[nodiscard]] MatrixView<const T> view() const { return {data_.data(), rows_, cols_}; }

    friend bool operator==(const Matrix&, const Matrix&) = default;

private:
    std::int64_t rows_ = 0;
    std::int64_t cols_ = 0;
    std::vector<T> data_;
};

}  // namespace loupe
