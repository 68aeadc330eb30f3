// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/panels.hpp"

#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace loupe::gpu {

namespace {

/// Bytes of one block where they do not depend on the weights.
std::size_t blockBytes(PanelCode code, std::int64_t depth, std::int64_t lanes) {
    const auto cells = static_cast<std::size_t>(depth * lanes);
    switch (code) {
        case PanelCode::Float32:
            return 4 * cells;
        case PanelCode::BFloat16:
        case PanelCode::Float16:
            return 2 * cells;
        case PanelCode::Int8:
            return cells;
        case PanelCode::Int4:
            return cells / 2;
        case PanelCode::Sparse24:
            return 2 * cells + cells / 8;
        case PanelCode::Bitmask:
            break;
    }
    return 0;
}

struct Corner {
    std::int64_t row = 0;  ///< first output
    std::int64_t col = 0;  ///< first input
    std::int64_t depth = 0;
};

/// The weight of a lane and an input of a block; zero outside the matrix.
class BlockReader {
public:
    BlockReader(std::span<const float> w, const PanelGrid& grid, Corner corner)
        : w_(w), grid_(grid), corner_(corner) {}
    [[nodiscard]] float operator()(std::int64_t input, std::int64_t lane) const {
        const std::int64_t row = corner_.row + lane;
        const std::int64_t col = corner_.col + input;
        return row < grid_.outputs && col < grid_.inputs
                   ? w_[static_cast<std::size_t>(row * grid_.inputs + col)]
                   : 0.0F;
    }

private:
    std::span<const float> w_;
    const PanelGrid& grid_;
    Corner corner_;
};

template <class T>
void put(std::byte*& at, T value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
}

std::uint16_t brainBits(float value) {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
}

/// [depth / 2][lanes][2]
void packBrainPairs(const BlockReader& read,
                    std::int64_t depth,
                    std::int64_t lanes,
                    std::byte* at) {
    for (std::int64_t i = 0; i < depth; i += 2) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            put(at, brainBits(read(i, lane)));
            put(at, brainBits(read(i + 1, lane)));
        }
    }
}

void packPlain(const BlockReader& read,
               PanelCode code,
               std::int64_t depth,
               std::int64_t lanes,
               std::byte* at) {
    const NumberFormat& half = *findFormat("fp16");
    for (std::int64_t i = 0; i < depth; ++i) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            const float value = read(i, lane);
            if (code == PanelCode::Float32) {
                put(at, value);
            } else if (code == PanelCode::BFloat16) {
                put(at, brainBits(value));
            } else {
                const auto bits = encode(half, static_cast<double>(value));
                put(at, static_cast<std::uint16_t>(bits.value_or(0)));
            }
        }
    }
}

/// The two inputs of four that are kept: those that are not zero, filled up with the first ones.
std::array<std::int64_t, 2> keptOfFour(const BlockReader& read,
                                       std::int64_t at,
                                       std::int64_t lane) {
    std::array<std::int64_t, 2> kept{0, 1};
    std::size_t found = 0;
    for (std::int64_t i = 0; i < 4 && found < 2; ++i) {
        if (read(at + i, lane) != 0.0F) {
            kept[found++] = i;
        }
    }
    if (found == 1 && kept[0] == kept[1]) {
        kept = {0, 1};
    }
    return kept;
}

void packSparse(const BlockReader& read, std::int64_t depth, std::int64_t lanes, std::byte* at) {
    for (std::int64_t i = 0; i < depth; i += 32) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            std::uint32_t places = 0;
            for (std::int64_t four = 0; four < 8; ++four) {
                const auto kept = keptOfFour(read, i + 4 * four, lane);
                places |= static_cast<std::uint32_t>(kept[0] | kept[1] << 2) << (4 * four);
            }
            put(at, places);
        }
        for (std::int64_t four = 0; four < 8; ++four) {
            for (std::size_t which = 0; which < 2; ++which) {
                for (std::int64_t lane = 0; lane < lanes; ++lane) {
                    const std::int64_t place = keptOfFour(read, i + 4 * four, lane)[which];
                    put(at, read(i + 4 * four + place, lane));
                }
            }
        }
    }
}

/// @returns the bytes that the block takes; writes where `at` is not null
std::size_t packMasked(
    const BlockReader& read, std::int64_t depth, std::int64_t lanes, int vector, std::byte* at) {
    const std::int64_t vectors = lanes / vector;
    std::size_t values = 0;
    std::byte* bits = at;
    std::byte* value = at == nullptr ? nullptr : at + depth * vectors * 2;
    for (std::int64_t i = 0; i < depth; ++i) {
        for (std::int64_t v = 0; v < vectors; ++v) {
            std::uint16_t mask = 0;
            for (int lane = 0; lane < vector; ++lane) {
                const float weight = read(i, v * vector + lane);
                if (weight == 0.0F) {
                    continue;
                }
                mask = static_cast<std::uint16_t>(mask | 1U << lane);
                ++values;
                if (value != nullptr) {
                    put(value, weight);
                }
            }
            if (bits != nullptr) {
                put(bits, mask);
            }
        }
    }
    return static_cast<std::size_t>(depth * vectors * 2) + 4 * values;
}

Corner cornerOf(const PanelGrid& grid, std::int64_t panel, std::int64_t block) {
    return {panel * grid.lanes, block * grid.blockDepth, grid.blockInputs(block)};
}

/// The code of a lane and an input of a block; zero outside the matrix.
class CodeReader {
public:
    CodeReader(const CodedWeights& coded, const PanelGrid& grid, Corner corner)
        : coded_(coded), grid_(grid), corner_(corner) {}
    [[nodiscard]] int operator()(std::int64_t input, std::int64_t lane) const {
        const std::int64_t row = corner_.row + lane;
        const std::int64_t col = corner_.col + input;
        return row < grid_.outputs && col < grid_.inputs
                   ? coded_.codes[static_cast<std::size_t>(row * grid_.inputs + col)]
                   : 0;
    }

private:
    const CodedWeights& coded_;
    const PanelGrid& grid_;
    Corner corner_;
};

/// [depth / step][lanes][step]
void packBytes(const CodeReader& read,
               std::int64_t step,
               std::int64_t depth,
               std::int64_t lanes,
               std::byte* at) {
    for (std::int64_t i = 0; i < depth; i += step) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            for (std::int64_t s = 0; s < step; ++s) {
                put(at, static_cast<std::int8_t>(read(i + s, lane)));
            }
        }
    }
}

/// 8 inputs in 32 bits: in order, or the even ones before the odd ones.
void packWords(
    const CodeReader& read, bool pairs, std::int64_t depth, std::int64_t lanes, std::byte* at) {
    for (std::int64_t i = 0; i < depth; i += 8) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            std::uint32_t word = 0;
            for (std::int64_t place = 0; place < 8; ++place) {
                const std::int64_t input = pairs ? 2 * (place % 4) + place / 4 : place;
                word |= static_cast<std::uint32_t>(read(i + input, lane) + 8) << (4 * place);
            }
            put(at, word);
        }
    }
}

void packSteps(
    const CodeReader& read, PanelCode code, std::int64_t depth, std::int64_t lanes, std::byte* at) {
    const IntegerKernels& kernels = integerKernels();
    if (code == PanelCode::Int8) {
        packBytes(read, kernels.step, depth, lanes, at);
        return;
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(depth * lanes));
    packBytes(read, kernels.step, depth, lanes, bytes.data());
    const auto vector = static_cast<std::size_t>(kernels.vectorBytes);
    for (std::size_t i = 0; i < bytes.size(); i += 2 * vector) {
        for (std::size_t b = 0; b < vector; ++b) {
            const int low = static_cast<std::int8_t>(bytes[i + b]) + 8;
            const int high = static_cast<std::int8_t>(bytes[i + vector + b]) + 8;
            put(at, static_cast<std::uint8_t>(low | high << 4));
        }
    }
}

/// Fills offsets from the size of each block, and makes room.
void layOut(PanelWeights& panels, const std::vector<std::size_t>& sizes) {
    panels.offsets.assign(sizes.size() + 1, 0);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        panels.offsets[i + 1] = panels.offsets[i] + sizes[i];
    }
    constexpr std::size_t kReadAhead = 64;  // a kernel may load a whole vector at the last value
    panels.data = HugeBuffer(panels.offsets.back() + kReadAhead);
}

}  // namespace

const float* PanelWeights::scale(std::int64_t panel, std::int64_t block) const {
    if (scales.size() == 0) {
        return nullptr;
    }
    const std::int64_t at = scalePerBlock ? panel * grid.blocks() + block : panel;
    return scales.as<const float>() + at * grid.lanes;
}

const std::int32_t* PanelWeights::startOf(std::int64_t panel, std::int64_t block) const {
    return start.size() == 0
               ? nullptr
               : start.as<const std::int32_t>() + (panel * grid.blocks() + block) * grid.lanes;
}

double PanelWeights::bytes() const {
    double total = static_cast<double>(offsets.back());
    const auto lanes = static_cast<double>(grid.panels() * grid.lanes);
    if (scales.size() != 0) {
        total += 4 * lanes * (scalePerBlock ? static_cast<double>(grid.blocks()) : 1.0);
    }
    return total;
}

CodedWeights quantizeWeights(std::span<const float> w,
                             std::int64_t rows,
                             std::int64_t cols,
                             std::int64_t group,
                             int most,
                             const JobContext& ctx) {
    CodedWeights coded;
    coded.group = group;
    const std::int64_t groups = (cols + group - 1) / group;
    coded.codes.resize(w.size());
    coded.scales.resize(static_cast<std::size_t>(rows * groups));
    const RowKernels& kernels = rowKernels();
    parallelFor(rows, 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t r = begin; r < end; ++r) {
            for (std::int64_t g = 0; g < groups; ++g) {
                const std::int64_t at = r * cols + g * group;
                const std::int64_t count = std::min(group, cols - g * group);
                const float bound = kernels.absmax(w.data() + at, count);
                const float scale = bound == 0.0F ? 1.0F : bound / static_cast<float>(most);
                coded.scales[static_cast<std::size_t>(r * groups + g)] = scale;
                kernels.quantize(w.data() + at, count, scale, coded.codes.data() + at);
            }
        }
    });
    return coded;
}

std::vector<float> decodeWeights(const CodedWeights& coded,
                                 std::int64_t rows,
                                 std::int64_t cols,
                                 const JobContext& ctx) {
    std::vector<float> w(coded.codes.size());
    const std::int64_t groups = (cols + coded.group - 1) / coded.group;
    parallelFor(rows, 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t i = begin * cols; i < end * cols; ++i) {
            const std::int64_t group = i / cols * groups + i % cols / coded.group;
            w[static_cast<std::size_t>(i)] =
                coded.scales[static_cast<std::size_t>(group)] *
                static_cast<float>(coded.codes[static_cast<std::size_t>(i)]);
        }
    });
    return w;
}

PanelWeights packFloats(std::span<const float> w,
                        PanelCode code,
                        CodeLayout layout,
                        const PanelGrid& grid,
                        int vector,
                        const JobContext& ctx) {
    PanelWeights out;
    out.grid = grid;
    out.code = code;
    const std::int64_t blocks = grid.blocks();
    std::vector<std::size_t> sizes(static_cast<std::size_t>(grid.panels() * blocks));
    const auto each = [&](const auto& work) {
        parallelFor(grid.panels(), 1, ctx, [&](std::int64_t panel, std::int64_t, std::int64_t) {
            for (std::int64_t block = 0; block < blocks; ++block) {
                const Corner corner = cornerOf(grid, panel, block);
                work(static_cast<std::size_t>(panel * blocks + block),
                     corner.depth,
                     BlockReader(w, grid, corner));
            }
        });
    };
    each([&](std::size_t at, std::int64_t depth, const BlockReader& read) {
        sizes[at] = code == PanelCode::Bitmask
                        ? packMasked(read, depth, grid.lanes, vector, nullptr)
                        : blockBytes(code, depth, grid.lanes);
    });
    layOut(out, sizes);
    each([&](std::size_t at, std::int64_t depth, const BlockReader& read) {
        std::byte* const to = out.data.data() + out.offsets[at];
        if (code == PanelCode::Bitmask) {
            packMasked(read, depth, grid.lanes, vector, to);
        } else if (code == PanelCode::BFloat16 && layout == CodeLayout::Pairs) {
            packBrainPairs(read, depth, grid.lanes, to);
        } else if (code == PanelCode::Sparse24) {
            packSparse(read, depth, grid.lanes, to);
        } else {
            packPlain(read, code, depth, grid.lanes, to);
        }
    });
    return out;
}

PanelWeights packCodes(const CodedWeights& coded,
                       PanelCode code,
                       CodeLayout layout,
                       const PanelGrid& grid,
                       const JobContext& ctx) {
    PanelWeights out;
    out.grid = grid;
    out.code = code;
    const std::int64_t blocks = grid.blocks();
    std::vector<std::size_t> sizes;
    for (std::int64_t i = 0; i < grid.panels() * blocks; ++i) {
        sizes.push_back(blockBytes(code, grid.blockInputs(i % blocks), grid.lanes));
    }
    layOut(out, sizes);
    parallelFor(grid.panels() * blocks, 1, ctx, [&](std::int64_t at, std::int64_t, std::int64_t) {
        const Corner corner = cornerOf(grid, at / blocks, at % blocks);
        const CodeReader read(coded, grid, corner);
        std::byte* const to = out.data.data() + out.offsets[static_cast<std::size_t>(at)];
        if (layout == CodeLayout::Steps) {
            packSteps(read, code, corner.depth, grid.lanes, to);
        } else if (code == PanelCode::Int8) {
            packBytes(read, layout == CodeLayout::Pairs ? 2 : 1, corner.depth, grid.lanes, to);
        } else {
            packWords(read, layout == CodeLayout::Pairs, corner.depth, grid.lanes, to);
        }
    });
    packScales(out, coded);
    return out;
}

void packScales(PanelWeights& panels, const CodedWeights& coded) {
    const PanelGrid& grid = panels.grid;
    const std::int64_t groups = (grid.inputs + coded.group - 1) / coded.group;
    panels.scalePerBlock = groups > 1;
    const std::int64_t blocks = panels.scalePerBlock ? grid.blocks() : 1;
    panels.scales = HugeBuffer(static_cast<std::size_t>(grid.panels() * blocks * grid.lanes) * 4);
    auto* scales = panels.scales.as<float>();
    for (std::int64_t panel = 0; panel < grid.panels(); ++panel) {
        for (std::int64_t block = 0; block < blocks; ++block) {
            for (std::int64_t lane = 0; lane < grid.lanes; ++lane) {
                const std::int64_t row = panel * grid.lanes + lane;
                *scales++ = row < grid.outputs && block < groups
                                ? coded.scales[static_cast<std::size_t>(row * groups + block)]
                                : 0.0F;
            }
        }
    }
}

void packTokens(
    const float* x, std::int64_t stride, std::int64_t count, std::int64_t depth, float* out) {
    for (std::int64_t i = 0; i < depth; ++i) {
        for (std::int64_t r = 0; r < count; ++r) {
            *out++ = x[r * stride + i];
        }
    }
}

}  // namespace loupe::gpu
