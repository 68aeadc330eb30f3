// SPDX-License-Identifier: Apache-2.0
// Devices by their makers' figures: memory, bandwidth, arithmetic. Every value with its source.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace loupe {

/// Peaks are dense, in operations a second; a datasheet's larger number is usually the 2:4 sparse
/// one, twice as much.
enum class HardwareQuantity : std::uint8_t {
    MemoryBytes,  ///< capacity as sold: 1 GB = 10^9 bytes
    UsableBytes,  ///< what a program can have, where it is known to be less
    Bandwidth,    ///< bytes a second
    Fp32,         ///< vector units
    Tf32,         ///< matrix units from here on
    Fp16,
    Bf16,
    Fp8,
    Int8,
    Int4,
    Int1,
    Fp4,
    Multiprocessors,
    L2Bytes,
    SharedBytes,  ///< on-chip memory a multiprocessor that a kernel can use
};

struct HardwareFigure {
    HardwareQuantity quantity = HardwareQuantity::MemoryBytes;
    double value = 0;
    std::string_view source;
    std::string_view read;    ///< day on which the source was read: "2026-11-22"
    bool isConfirmed = true;  ///< false: from one secondary page alone
};

struct HardwareDevice {
    std::string_view id;      ///< "h100_sxm"
    std::string_view title;   ///< "H100 SXM5"
    std::string_view memory;  ///< "80 GB HBM3"
    int year = 0;             ///< in which it was announced
    bool hasSparse = false;   ///< twice the dense peaks with 2:4 sparsity
    std::vector<HardwareFigure> figures;

    [[nodiscard]] const HardwareFigure* find(HardwareQuantity quantity) const;
    [[nodiscard]] std::optional<double> value(HardwareQuantity quantity) const;
    /// Bytes that a model can take: usable where known, else as sold.
    [[nodiscard]] double capacity() const;
};

/// In the order of hardware.def: by capacity.
[[nodiscard]] std::span<const HardwareDevice> allHardware();
[[nodiscard]] const HardwareDevice* findHardware(std::string_view id);
/// "FP16", "bandwidth".
[[nodiscard]] std::string_view quantityTitle(HardwareQuantity quantity);

/// max(FLOPs / peak, bytes / bandwidth).
struct RooflineBound {
    double computeSeconds = 0;
    double memorySeconds = 0;
    [[nodiscard]] double seconds() const {
        return computeSeconds > memorySeconds ? computeSeconds : memorySeconds;
    }
    [[nodiscard]] bool isMemoryBound() const { return memorySeconds >= computeSeconds; }
};
[[nodiscard]] RooflineBound roofline(double flops, double bytes, double peak, double bandwidth);
/// FLOP per byte above which a device is bound by arithmetic: peak / bandwidth.
[[nodiscard]] std::optional<double> ridgePoint(const HardwareDevice& device,
                                               HardwareQuantity arithmetic);

/// Y [T, m] = X [T, n] W^T: FLOPs 2 T n m, bytes T n b_x + n m b_w + T m b_y.
struct GemmCost {
    double flops = 0;
    double bytes = 0;
    [[nodiscard]] double intensity() const { return flops / bytes; }
};
/// @param xBits, wBits, yBits  bits a number, scales of the weights included
[[nodiscard]] GemmCost gemmCost(std::int64_t tokens,
                                std::int64_t in,
                                std::int64_t out,
                                double xBits,
                                double wBits,
                                double yBits);

/// The least time to decode one token: everything that is read once over the bandwidth.
[[nodiscard]] std::optional<double> decodeSeconds(const HardwareDevice& device, double bytesRead);

}  // namespace loupe
