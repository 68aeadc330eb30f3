// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/memory/device_text.hpp"

#include "app/widgets/theme.hpp"
#include "core/memory/memory_estimate.hpp"

#include <QCoreApplication>

namespace loupe::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("Memory", text);
}

}  // namespace

QString toQString(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

QString gigabytes(double bytes) {
    return QString::fromStdString(gigabyteText(bytes));
}

QString gibibytes(double bytes) {
    return QString::fromStdString(gibibyteText(bytes));
}

QString capacityText(const HardwareDevice& device) {
    return tr("%1 GB").arg(formatExact(device.capacity() / 1e9, false));
}

QString figureText(const HardwareFigure& figure) {
    switch (figure.quantity) {
        case HardwareQuantity::MemoryBytes:
        case HardwareQuantity::UsableBytes:
        case HardwareQuantity::L2Bytes:
            return gigabytes(figure.value);
        case HardwareQuantity::SharedBytes:
            return gibibytes(figure.value);
        case HardwareQuantity::Bandwidth:
            return tr("%1/s").arg(gigabytes(figure.value));
        case HardwareQuantity::Multiprocessors:
            return formatCount(static_cast<qint64>(figure.value));
        case HardwareQuantity::Int8:
        case HardwareQuantity::Int4:
        case HardwareQuantity::Int1:
            return tr("%1 TOP/s").arg(formatExact(figure.value / 1e12, false));
        case HardwareQuantity::Fp32:
        case HardwareQuantity::Tf32:
        case HardwareQuantity::Fp16:
        case HardwareQuantity::Bf16:
        case HardwareQuantity::Fp8:
        case HardwareQuantity::Fp4:
            break;
    }
    return tr("%1 TFLOP/s").arg(formatExact(figure.value / 1e12, false));
}

QString sourceText(const HardwareDevice& device, HardwareQuantity quantity) {
    const HardwareFigure* figure = device.find(quantity);
    if (figure == nullptr) {
        return {};
    }
    return tr("%1 · %2, read %3%4")
        .arg(figureText(*figure),
             toQString(figure->source),
             toQString(figure->read),
             figure->isConfirmed ? QString() : tr("; from one page alone"));
}

}  // namespace loupe::app
