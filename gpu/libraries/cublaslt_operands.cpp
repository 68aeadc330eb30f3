// SPDX-License-Identifier: Apache-2.0
#include "gpu/libraries/cublaslt_operands.hpp"

#include "core/formats/codec.hpp"
#include "gpu/libraries/cublaslt.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace loupe::gpu::cuda {

namespace {

constexpr float kLargestE4m3 = 448;

std::vector<std::byte> bytesOf(const void* data, std::size_t size) {
    std::vector<std::byte> bytes(size);
    if (size > 0) {
        std::memcpy(bytes.data(), data, size);
    }
    return bytes;
}

Buffer input(const char* name, ElementType type, std::vector<std::byte> contents) {
    Buffer buffer;
    buffer.name = name;
    buffer.type = type;
    buffer.bytes = contents.size();
    buffer.contents = std::move(contents);
    return buffer;
}

float largest(std::span<const float> values) {
    float most = 0;
    for (const float value : values) {
        most = std::max(most, std::abs(value));
    }
    return most > 0 ? most : 1.0F;
}

/// Codes of values / scale in a float format of one or two bytes; `held` gets what they mean.
Result<std::vector<std::byte>> encodeFloats(const char* format,
                                            std::span<const float> values,
                                            float scale,
                                            std::vector<float>& held) {
    const NumberFormat& found = *findFormat(format);
    std::vector<float> scaled(values.begin(), values.end());
    if (scale != 1.0F) {
        for (float& value : scaled) {
            value /= scale;
        }
    }
    std::vector<std::uint16_t> codes(values.size());
    if (Result<void> done = encodeArray(found, scaled, codes); !done) {
        return fail(done.error());
    }
    std::vector<float> table(std::size_t{1} << found.bits);
    for (std::size_t code = 0; code < table.size(); ++code) {
        table[code] = static_cast<float>(decode(found, code));
    }
    held.resize(values.size());
    for (std::size_t i = 0; i < codes.size(); ++i) {
        held[i] = table[codes[i]] * scale;
    }
    if (found.bits > 8) {
        return bytesOf(codes.data(), codes.size() * sizeof(std::uint16_t));
    }
    std::vector<std::byte> bytes(codes.size());
    std::transform(codes.begin(), codes.end(), bytes.begin(), [](std::uint16_t code) {
        return static_cast<std::byte>(code);
    });
    return bytes;
}

/// Codes in ±127, one scale a row; `held` gets the codes as numbers.
std::vector<std::byte> encodeRows(std::span<const float> values,
                                  std::int64_t rows,
                                  std::vector<float>& scales,
                                  std::vector<float>& held) {
    const std::size_t columns = values.size() / static_cast<std::size_t>(rows);
    std::vector<std::byte> codes(values.size());
    held.resize(values.size());
    scales.clear();
    for (std::size_t begin = 0; begin < values.size(); begin += columns) {
        const float scale = largest(values.subspan(begin, columns)) / 127.0F;
        scales.push_back(scale);
        for (std::size_t i = begin; i < begin + columns; ++i) {
            const float code = std::clamp(std::nearbyint(values[i] / scale), -127.0F, 127.0F);
            held[i] = code;
            codes[i] = static_cast<std::byte>(static_cast<std::int8_t>(code));
        }
    }
    return codes;
}

struct ArithmeticForm {
    std::string_view name;
    const char* format;
    ElementType type;
    double bytes;  ///< of an operand
};

constexpr ArithmeticForm kForms[] = {
    {"fp32", "fp32", ElementType::Float32, 4},
    {"fp16", "fp16", ElementType::Float16, 2},
    {"bf16", "bf16", ElementType::BFloat16, 2},
    {"int8", "int8", ElementType::Int8, 1},
    {"fp8", "fp8_e4m3", ElementType::UInt8, 1},
};

/// Largest ‖out − ref‖/‖ref‖ that is taken for right. A sum of k products whose partial sums are
/// about as large as itself: FP32 additions that round err by √k·2⁻²⁴ at most typically, 4 times
/// that is allowed; tensor cores truncate after every 16 products, so errors add up: k/16·2⁻²³. FP8
/// products are summed with 14 bits and moved to FP32 every 128: √(k/128)·2⁻¹³, 4 times that.
double toleranceOf(std::string_view arithmetic, std::int64_t k) {
    const auto depth = static_cast<double>(k);
    if (arithmetic == "int8") {
        return 0;
    }
    if (arithmetic == "fp32") {
        return 4 * std::sqrt(depth) * 0x1p-24;
    }
    if (arithmetic == "fp8") {
        return 4 * std::sqrt(std::max(depth / 128, 1.0)) * 0x1p-13;
    }
    return std::max(depth / 16, 4.0) * 0x1p-23;
}

}  // namespace

std::string_view peerArithmetic(std::string_view word) {
    if (word == "fp32" || word == "fp16" || word == "bf16" || word == "int8") {
        return word;
    }
    if (word == "w8a8" || word == "int8_outliers" || word == "w4a8") {
        return "int8";
    }
    if (word == "fp8_e4m3") {
        return "fp8";
    }
    return word == "w8a16" || word == "w4a16" || word == "sparse24" ? "fp16" : "";
}

Result<LibraryCase> makeOperands(std::string_view arithmetic, const MatmulProblem& problem) {
    const ArithmeticForm* const form =
        std::find_if(std::begin(kForms), std::end(kForms), [&](const ArithmeticForm& each) {
            return each.name == arithmetic;
        });
    if (form == std::end(kForms)) {
        return fail(ErrorCode::Unsupported,
                    "no library product for '" + std::string(arithmetic) + "'");
    }
    const MatmulShape& s = problem.shape;
    LibraryCase made;
    made.id = "cublaslt_" + std::string(arithmetic);
    made.a = made.b = form->format;
    made.accumulator = made.output = arithmetic == "int8" ? "int32" : "fp32";
    made.arithmetic = arithmetic;
    made.tolerance = toleranceOf(arithmetic, s.k);
    made.bytes =
        form->bytes * static_cast<double>((s.m + s.n) * s.k) + 4.0 * static_cast<double>(s.m * s.n);
    std::vector<Buffer>& buffers = made.item.buffers;
    float xScale = 1;
    float wScale = 1;
    if (arithmetic == "fp32") {
        buffers.push_back(
            input("x", form->type, bytesOf(problem.x.data(), problem.x.size() * sizeof(float))));
        buffers.push_back(
            input("w", form->type, bytesOf(problem.w.data(), problem.w.size() * sizeof(float))));
    } else if (arithmetic == "int8") {
        buffers.push_back(
            input("x", form->type, encodeRows(problem.x, s.m, made.rowScale, made.x)));
        buffers.push_back(
            input("w", form->type, encodeRows(problem.w, s.n, made.columnScale, made.w)));
    } else {
        if (arithmetic == "fp8") {
            xScale = largest(problem.x) / kLargestE4m3;
            wScale = largest(problem.w) / kLargestE4m3;
        }
        Result<std::vector<std::byte>> x = encodeFloats(form->format, problem.x, xScale, made.x);
        Result<std::vector<std::byte>> w = encodeFloats(form->format, problem.w, wScale, made.w);
        if (!x || !w) {
            return fail(x ? w.error() : x.error());
        }
        buffers.push_back(input("x", form->type, std::move(*x)));
        buffers.push_back(input("w", form->type, std::move(*w)));
    }
    Buffer y;
    y.name = "y";
    y.role = BufferRole::Output;
    y.type = arithmetic == "int8" ? ElementType::Int32 : ElementType::Float32;
    y.bytes = static_cast<std::size_t>(s.m * s.n) * 4;
    buffers.push_back(std::move(y));
    Buffer workspace;
    workspace.name = "workspace";
    workspace.role = BufferRole::Scratch;
    buffers.push_back(std::move(workspace));
    if (arithmetic == "fp8") {
        buffers.push_back(input("x scale", ElementType::Float32, bytesOf(&xScale, sizeof(xScale))));
        buffers.push_back(input("w scale", ElementType::Float32, bytesOf(&wScale, sizeof(wScale))));
    }
    made.item.output = 2;
    return made;
}

}  // namespace loupe::gpu::cuda
