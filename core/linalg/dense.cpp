// SPDX-License-Identifier: Apache-2.0
// Blocked algorithms over gemm(). Sizes of tiles are constants: they decide the order of sums.
#include "core/linalg/dense.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/linalg/panels.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <type_traits>
#include <utility>

namespace loupe {

namespace {

constexpr std::int64_t kDepth = 1024;  ///< of one gemm(): bounds the time between checkpoints
constexpr std::int64_t kSmall = 24;    ///< of factorizations: below, plain loops

/// Rows and columns of a tile of C. Large ones where there are many: operands are packed less
/// often.
struct TileShape {
    std::int64_t rows = 256;
    std::int64_t cols = 256;
};

TileShape productTile(std::int64_t rows, std::int64_t cols) {
    constexpr std::int64_t kMany = std::int64_t{1} << 21;  // elements of C
    return rows * cols >= kMany ? TileShape{512, 1024} : TileShape{256, 256};
}

/// Of a triangle of an n x n matrix: what lies above the diagonal in a tile on it is wasted.
std::int64_t triangleTile(std::int64_t n) {
    return n >= 2048 ? 512 : 256;
}

std::int64_t panelWidth(std::int64_t n) {
    return n >= 2048 ? 256 : 128;
}

std::int64_t blocksOf(std::int64_t size, std::int64_t block) {
    return (size + block - 1) / block;
}

template <class T>
GemmOperand<T> operand(MatrixView<const T> a, std::int64_t row, std::int64_t col, Op op) {
    return {a.data + row * a.rowStride + col, a.rowStride, op};
}

/// The place (row, col) of op(A) in A.
template <class T>
GemmOperand<T> operandOf(MatrixView<const T> a, Op op, std::int64_t row, std::int64_t col) {
    return op == Op::Plain ? operand(a, row, col, op) : operand(a, col, row, op);
}

template <class T>
MatrixView<T> part(
    MatrixView<T> a, std::int64_t row, std::int64_t col, std::int64_t rows, std::int64_t cols) {
    return {a.data + row * a.rowStride + col, rows, cols, a.rowStride};
}

/// A small product on this thread: C = alpha·op(A)·op(B) + beta·C.
template <class T>
void product(T alpha,
             MatrixView<const T> a,
             Op opA,
             MatrixView<const T> b,
             Op opB,
             T beta,
             MatrixView<T> c) {
    gemm<T>(c.rows,
            c.cols,
            opA == Op::Plain ? a.cols : a.rows,
            alpha,
            operand(a, 0, 0, opA),
            operand(b, 0, 0, opB),
            beta,
            c.data,
            c.rowStride);
}

/// inverse = inv(L), both n x n with n <= kSmall; the upper triangle of L is not read, that of
/// inverse not written.
template <class T>
void invertSmall(MatrixView<const T> lower, MatrixView<T> inverse) {
    for (std::int64_t j = 0; j < lower.rows; ++j) {
        inverse(j, j) = T(1) / lower(j, j);
        for (std::int64_t i = j + 1; i < lower.rows; ++i) {
            T sum = 0;
            for (std::int64_t k = j; k < i; ++k) {
                sum += lower(i, k) * inverse(k, j);
            }
            inverse(i, j) = -sum / lower(i, i);
        }
    }
}

/// The lower left block of the inverse: -inv(L22)·L21·inv(L11).
template <class T>
void invertOffDiagonal(MatrixView<const T> lower, MatrixView<T> inverse, std::int64_t half) {
    const std::int64_t rest = lower.rows - half;
    Matrix<T> product21(rest, half);
    product<T>(T(1),
               part<const T>(lower, half, 0, rest, half),
               Op::Plain,
               part<const T>(inverse, 0, 0, half, half),
               Op::Plain,
               T(0),
               product21.view());
    product<T>(T(-1),
               part<const T>(inverse, half, half, rest, rest),
               Op::Plain,
               std::as_const(product21).view(),
               Op::Plain,
               T(0),
               part(inverse, half, 0, rest, half));
}

/// inverse = inv(L) by halves; `inverse` is zero above the diagonal before and after.
template <class T>
void invertTile(MatrixView<const T> lower, MatrixView<T> inverse) {
    if (lower.rows <= kSmall) {
        invertSmall(lower, inverse);
        return;
    }
    const std::int64_t half = lower.rows / 2;
    const std::int64_t rest = lower.rows - half;
    invertTile<T>(part(lower, 0, 0, half, half), part(inverse, 0, 0, half, half));
    invertTile<T>(part(lower, half, half, rest, rest), part(inverse, half, half, rest, rest));
    invertOffDiagonal<T>(lower, inverse, half);
}

/// L of a small matrix in place. @returns -1 or the first bad pivot
template <class T>
std::int64_t choleskySmall(MatrixView<T> a) {
    for (std::int64_t j = 0; j < a.rows; ++j) {
        T pivot = a(j, j);
        for (std::int64_t k = 0; k < j; ++k) {
            pivot -= a(j, k) * a(j, k);
        }
        if (!(pivot > T(0)) || !std::isfinite(pivot)) {
            return j;
        }
        pivot = std::sqrt(pivot);
        a(j, j) = pivot;
        for (std::int64_t i = j + 1; i < a.rows; ++i) {
            T sum = a(i, j);
            for (std::int64_t k = 0; k < j; ++k) {
                sum -= a(i, k) * a(j, k);
            }
            a(i, j) = sum / pivot;
        }
    }
    return -1;
}

/// L in place and its inverse beside it, by halves: the panel below a tile is then a product.
template <class T>
std::int64_t choleskyTile(MatrixView<T> a, MatrixView<T> inverse) {
    if (a.rows <= kSmall) {
        const std::int64_t bad = choleskySmall(a);
        if (bad < 0) {
            invertSmall<T>(a, inverse);
        }
        return bad;
    }
    const std::int64_t half = a.rows / 2;
    const std::int64_t rest = a.rows - half;
    std::int64_t bad = choleskyTile(part(a, 0, 0, half, half), part(inverse, 0, 0, half, half));
    if (bad >= 0) {
        return bad;
    }
    const MatrixView<T> below = part(a, half, 0, rest, half);
    Matrix<T> solved(rest, half);
    product<T>(T(1),
               below,
               Op::Plain,
               part<const T>(inverse, 0, 0, half, half),
               Op::Transposed,
               T(0),
               solved.view());
    for (std::int64_t i = 0; i < rest; ++i) {
        std::copy(solved.row(i).begin(), solved.row(i).end(), below.row(i).begin());
    }
    product<T>(
        T(-1), below, Op::Plain, below, Op::Transposed, T(1), part(a, half, half, rest, rest));
    bad = choleskyTile(part(a, half, half, rest, rest), part(inverse, half, half, rest, rest));
    if (bad >= 0) {
        return half + bad;
    }
    invertOffDiagonal<T>(a, inverse, half);
    return -1;
}

/// (row, column) of the index-th tile of a lower triangle of tiles, row by row.
std::pair<std::int64_t, std::int64_t> lowerTile(std::int64_t index) {
    auto row = static_cast<std::int64_t>((std::sqrt(8.0 * static_cast<double>(index) + 1) - 1) / 2);
    while (row * (row + 1) / 2 > index) {
        --row;
    }
    while ((row + 1) * (row + 2) / 2 <= index) {
        ++row;
    }
    return {row, index - row * (row + 1) / 2};
}

/// The lower triangle of C += alpha·X'X; the panels on the diagonal are written whole.
void addLower(float alpha, const Panels& x, MatrixView<float> c, const JobContext& ctx) {
    constexpr std::int64_t kSide = 256;
    const std::int64_t blocks = blocksOf(c.rows, kSide);
    parallelFor(
        blocks * (blocks + 1) / 2, 1, ctx, [&](std::int64_t index, std::int64_t, std::int64_t) {
            const auto [tileRow, tileCol] = lowerTile(index);
            const std::int64_t row = tileRow * kSide;
            const std::int64_t col = tileCol * kSide;
            addPanelProduct(alpha,
                            x,
                            row,
                            std::min(kSide, c.rows - row),
                            x,
                            col,
                            std::min(kSide, c.rows - col),
                            true,
                            &c(row, col),
                            c.rowStride);
        });
}

}  // namespace

template <class T>
void multiply(T alpha,
              MatrixView<const T> a,
              Op opA,
              MatrixView<const T> b,
              Op opB,
              T beta,
              MatrixView<T> c,
              const JobContext& ctx) {
    const std::int64_t depth = opA == Op::Plain ? a.cols : a.rows;
    LOUPE_ASSERT(depth == (opB == Op::Plain ? b.rows : b.cols), "op(A) is m x k, op(B) k x n");
    const TileShape shape = productTile(c.rows, c.cols);
    const std::int64_t across = blocksOf(c.cols, shape.cols);
    parallelFor(blocksOf(c.rows, shape.rows) * across,
                1,
                ctx,
                [&](std::int64_t tile, std::int64_t, std::int64_t) {
                    const std::int64_t row = tile / across * shape.rows;
                    const std::int64_t col = tile % across * shape.cols;
                    for (std::int64_t k = 0; k == 0 || k < depth; k += kDepth) {
                        ctx.checkpoint();
                        gemm<T>(std::min(shape.rows, c.rows - row),
                                std::min(shape.cols, c.cols - col),
                                std::min(kDepth, depth - k),
                                alpha,
                                operandOf(a, opA, row, k),
                                operandOf(b, opB, k, col),
                                k == 0 ? beta : T(1),
                                c.data + row * c.rowStride + col,
                                c.rowStride);
                    }
                });
}

template <class T>
void addGram(T alpha, MatrixView<const T> a, MatrixView<T> c, const JobContext& ctx) {
    if constexpr (std::is_same_v<T, float>) {
        if (panelsPay(c.rows)) {
            for (std::int64_t k = 0; k < a.rows; k += kDepth) {
                const std::int64_t depth = std::min(kDepth, a.rows - k);
                Panels x(depth, c.rows);
                x.packColumns(part(a, k, 0, depth, a.cols), ctx);
                addLower(alpha, x, c, ctx);
            }
            return;
        }
    }
    const std::int64_t side = triangleTile(c.rows);
    const std::int64_t blocks = blocksOf(c.rows, side);
    parallelFor(
        blocks * (blocks + 1) / 2, 1, ctx, [&](std::int64_t index, std::int64_t, std::int64_t) {
            const auto [tileRow, tileCol] = lowerTile(index);
            const std::int64_t row = tileRow * side;
            const std::int64_t col = tileCol * side;
            for (std::int64_t k = 0; k < a.rows; k += kDepth) {
                ctx.checkpoint();
                gemm<T>(std::min(side, c.rows - row),
                        std::min(side, c.cols - col),
                        std::min(kDepth, a.rows - k),
                        alpha,
                        operand(a, k, row, Op::Transposed),
                        operand(a, k, col, Op::Plain),
                        T(1),
                        c.data + row * c.rowStride + col,
                        c.rowStride);
            }
        });
}

template <class T>
void mirrorLower(MatrixView<T> c, const JobContext& ctx) {
    constexpr std::int64_t kSide = 64;  // two tiles in the first cache
    const std::int64_t blocks = blocksOf(c.rows, kSide);
    parallelFor(blocks, 1, ctx, [&](std::int64_t block, std::int64_t, std::int64_t) {
        const std::int64_t last = std::min(c.rows, (block + 1) * kSide);
        for (std::int64_t col = 0; col < last; col += kSide) {
            for (std::int64_t j = col; j < std::min(col + kSide, last); ++j) {
                for (std::int64_t i = std::max(block * kSide, j + 1); i < last; ++i) {
                    c(j, i) = c(i, j);
                }
            }
        }
    });
}

template <class T>
std::int64_t choleskyLower(MatrixView<T> a, const JobContext& ctx) {
    const std::int64_t n = a.rows;
    const std::int64_t most = panelWidth(n);
    const std::int64_t side = triangleTile(n);
    Matrix<T> panel(n, std::min(most, n));
    for (std::int64_t first = 0; first < n; first += most) {
        ctx.checkpoint();
        const std::int64_t width = std::min(most, n - first);
        Matrix<T> inverse(width, width);
        const std::int64_t bad =
            choleskyTile<T>(part(a, first, first, width, width), inverse.view());
        if (bad >= 0) {
            return first + bad;
        }
        const std::int64_t next = first + width;
        const std::int64_t rest = n - next;
        const MatrixView<T> solved = part(panel.view(), 0, 0, rest, width);
        // L21 = A21·inv(L11)', kept beside A so that tiles of the update read it packed.
        parallelFor(rest, side, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            constexpr std::int64_t kCols = 64;  // inv(L11) is a triangle: what is zero is left out
            for (std::int64_t at = 0; at < width; at += kCols) {
                const std::int64_t cols = std::min(kCols, width - at);
                product<T>(T(1),
                           part<const T>(a, next + begin, first, end - begin, at + cols),
                           Op::Plain,
                           part<const T>(inverse.view(), at, 0, cols, at + cols),
                           Op::Transposed,
                           T(0),
                           part(solved, begin, at, end - begin, cols));
            }
            for (std::int64_t i = begin; i < end; ++i) {
                std::copy(solved.row(i).begin(), solved.row(i).end(), &a(next + i, first));
            }
        });
        if constexpr (std::is_same_v<T, float>) {
            if (panelsPay(n)) {
                Panels x(width, rest);
                x.packRows(solved, ctx);
                addLower(-1, x, part(a, next, next, rest, rest), ctx);
                continue;
            }
        }
        const std::int64_t blocks = blocksOf(rest, side);
        parallelFor(
            blocks * (blocks + 1) / 2, 1, ctx, [&](std::int64_t index, std::int64_t, std::int64_t) {
                const auto [tileRow, tileCol] = lowerTile(index);
                const std::int64_t row = tileRow * side;
                const std::int64_t col = tileCol * side;
                const std::int64_t rows = std::min(side, rest - row);
                const std::int64_t cols = std::min(side, rest - col);
                product<T>(T(-1),
                           part<const T>(solved, row, 0, rows, width),
                           Op::Plain,
                           part<const T>(solved, col, 0, cols, width),
                           Op::Transposed,
                           T(1),
                           part(a, next + row, next + col, rows, cols));
            });
    }
    parallelFor(n, side, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t i = begin; i < end; ++i) {
            std::fill(a.row(i).begin() + i + 1, a.row(i).end(), T(0));
        }
    });
    return -1;
}

template <class T>
Matrix<T> inverseLower(MatrixView<const T> lower, const JobContext& ctx) {
    const std::int64_t n = lower.rows;
    const std::int64_t most = panelWidth(n);
    const std::int64_t blocks = blocksOf(n, most);
    Matrix<T> inverse(n, n);
    const auto diagonal = [&](std::int64_t block) {
        const std::int64_t width = std::min(most, n - block * most);
        return part(inverse.view(), block * most, block * most, width, width);
    };
    parallelFor(blocks, 1, ctx, [&](std::int64_t block, std::int64_t, std::int64_t) {
        const std::int64_t at = block * most;
        const MatrixView<T> target = diagonal(block);
        invertTile<T>(part(lower, at, at, target.rows, target.rows), target);
    });
    // Columns of blocks do not depend on each other: X_ij = -inv(L_ii)·sum over k of L_ik·X_kj.
    parallelFor(blocks, 1, ctx, [&](std::int64_t block, std::int64_t, std::int64_t) {
        const std::int64_t col = block * most;
        const std::int64_t width = std::min(most, n - col);
        Matrix<T> sum(most, width);
        for (std::int64_t i = block + 1; i < blocks; ++i) {
            ctx.checkpoint();
            const std::int64_t row = i * most;
            const std::int64_t height = std::min(most, n - row);
            const MatrixView<T> sums = part(sum.view(), 0, 0, height, width);
            product<T>(T(1),
                       part(lower, row, col, height, row - col),
                       Op::Plain,
                       part<const T>(inverse.view(), col, col, row - col, width),
                       Op::Plain,
                       T(0),
                       sums);
            product<T>(T(-1),
                       diagonal(i),
                       Op::Plain,
                       sums,
                       Op::Plain,
                       T(0),
                       part(inverse.view(), row, col, height, width));
        }
    });
    return inverse;
}

template <class T>
void reverseBoth(Matrix<T>& a, const JobContext& ctx) {
    const std::int64_t size = a.size();
    parallelFor(size / 2, 1 << 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        std::swap_ranges(
            a.data() + begin, a.data() + end, std::reverse_iterator<T*>(a.data() + size - begin));
    });
}

#define LOUPE_INSTANTIATE(T)                                                                       \
    template void multiply<T>(                                                                     \
        T, MatrixView<const T>, Op, MatrixView<const T>, Op, T, MatrixView<T>, const JobContext&); \
    template void addGram<T>(T, MatrixView<const T>, MatrixView<T>, const JobContext&);            \
    template void mirrorLower<T>(MatrixView<T>, const JobContext&);                                \
    template std::int64_t choleskyLower<T>(MatrixView<T>, const JobContext&);                      \
    template Matrix<T> inverseLower<T>(MatrixView<const T>, const JobContext&);                    \
    template void reverseBoth<T>(Matrix<T>&, const JobContext&);
LOUPE_INSTANTIATE(float)
LOUPE_INSTANTIATE(double)
#undef LOUPE_INSTANTIATE

}  // namespace loupe
