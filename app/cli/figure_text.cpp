// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/figure_text.hpp"

#include "core/base/text.hpp"

#include <array>
#include <cstdio>

namespace loupe::cli {

std::string csvField(std::string_view text) {
    if (text.find_first_of(",\"\n") == std::string_view::npos) {
        return std::string(text);
    }
    std::string quoted = "\"";
    for (const char c : text) {
        quoted += c;
        if (c == '"') {
            quoted += c;
        }
    }
    return quoted + "\"";
}

std::string figureCsvHeader() {
    return "bits_per_weight,mse,rmse,max_abs_error,mean_abs_error,sqnr_db,cosine,"
           "relative_frobenius,output_relative_error,zeros,clipped,count,seconds";
}

std::string figureCsv(const Figures& figures) {
    const ErrorMetrics& m = figures.metrics;
    std::string text = shortest(figures.bitsPerWeight);
    for (const double value :
         {m.mse, m.rmse, m.maxAbsError, m.meanAbsError, m.sqnrDb, m.cosine, m.relativeFrobenius}) {
        text += ',';
        text += shortest(value);
    }
    text += ',';
    text += m.outputRelativeError ? shortest(*m.outputRelativeError) : "";
    for (const std::uint64_t value : {figures.zeros, figures.clipped, figures.count}) {
        text += ',';
        text += std::to_string(value);
    }
    text += ',';
    text += shortest(figures.seconds);
    return text;
}

void writeFigures(JsonWriter& json, const Figures& figures) {
    json.key("bits_per_weight").value(figures.bitsPerWeight).key("metrics");
    writeMetrics(json, figures.metrics);
    json.key("zeros").value(figures.zeros).key("clipped").value(figures.clipped);
    json.key("count").value(figures.count).key("seconds").value(figures.seconds);
}

std::string cell(std::string text, std::size_t width, bool right) {
    if (text.size() < width) {
        text.insert(right ? 0 : text.size(), width - text.size(), ' ');
    }
    return right ? " " + text : text + " ";
}

std::string fourDigits(std::optional<double> value) {
    if (!value) {
        return "-";
    }
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.4g", *value);
    return text.data();
}

}  // namespace loupe::cli
