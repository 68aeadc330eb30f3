// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/theme.hpp"

#include <QApplication>
#include <QDir>
#include <QFontDatabase>
#include <QFontInfo>
#include <QFontMetricsF>
#include <QPixmap>
#include <QRawFont>
#include <QWidget>

#include <cmath>

#include "tests/support/catch.hpp"

using namespace loupe::app;

namespace {

double linear(double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); }

double luminance(const QColor& c) {
    return 0.2126 * linear(c.redF()) + 0.7152 * linear(c.greenF()) + 0.0722 * linear(c.blueF());
}

/// WCAG 2.1 contrast ratio.
double contrast(const QColor& a, const QColor& b) {
    const double x = luminance(a);
    const double y = luminance(b);
    return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

}  // namespace

TEST_CASE("every text token reads on every surface of its theme") {
    const ThemeId id = GENERATE(ThemeId::Dark, ThemeId::Light, ThemeId::Projector);
    const Theme t = Theme::make(id);
    const std::vector<std::pair<const char*, QColor>> tokens{{"text", t.text},
                                                             {"text2", t.text2},
                                                             {"text3", t.text3},
                                                             {"schemeA", t.schemeA},
                                                             {"schemeB", t.schemeB},
                                                             {"original", t.original},
                                                             {"outlier", t.outlier},
                                                             {"warning", t.warning},
                                                             {"error", t.error},
                                                             {"focus", t.focus}};
    for (const auto& [name, colour] : tokens) {
        CAPTURE(static_cast<int>(id), name);
        CHECK(contrast(colour, t.canvas) >= 4.5);
        CHECK(contrast(colour, t.panel) >= 4.5);
        CHECK(contrast(colour, t.raised) >= 4.5);
    }
    CHECK(contrast(t.text, t.selected) >= 4.5);
    CHECK(contrast(t.text2, t.selected) >= 4.5);
    for (const QColor& field : {t.bitSign, t.bitExponent, t.bitFraction, t.bitScale, t.bitZeroPoint, t.bitPadding}) {
        CHECK(contrast(t.bitText, field) >= 4.5);
    }
}

TEST_CASE("bit field colours do not depend on the theme") {
    const Theme dark = Theme::make(ThemeId::Dark);
    const Theme projector = Theme::make(ThemeId::Projector);
    CHECK(dark.bitExponent == projector.bitExponent);
    CHECK(dark.bitZeroPoint == projector.bitZeroPoint);
}

TEST_CASE("applying a theme sets palette, fonts and scale") {
    applyTheme(ThemeId::Dark, 1);
    CHECK(Theme::current().dark);
    CHECK(QApplication::palette().color(QPalette::Window) == QColor("#1B1C1F"));
    CHECK(QFontInfo(Theme::font(TextRole::Body)).family() == "Loupe Inter");
    CHECK(QFontInfo(Theme::font(TextRole::Number)).family() == "Loupe Mono");
    CHECK(Theme::font(TextRole::Body).pixelSize() == 13);
    CHECK(QApplication::font().pixelSize() == 13);
    QWidget labelled;
    setTextRole(&labelled, TextRole::Title);
    applyTheme(ThemeId::Light, 2);
    CHECK(Theme::font(TextRole::Body).pixelSize() == 26);
    CHECK(labelled.font().pixelSize() == 30);
    CHECK(Theme::px(26) == 52);
    CHECK(QApplication::palette().color(QPalette::Window) == QColor("#F4F5F6"));
    applyTheme(ThemeId::Light, 1);
    CHECK(labelled.font().pixelSize() == 15);
}

TEST_CASE("the bundled faces are the pinned set and have no ligatures") {
    applyTheme(ThemeId::Light, 1);
    const QStringList faces = QDir(":/tensorloupe/fonts").entryList(QDir::Files, QDir::Name);
    CHECK(faces == QStringList{"LoupeInter-Italic.otf",
                               "LoupeInter-Medium.otf",
                               "LoupeInter-Regular.otf",
                               "LoupeInter-SemiBold.otf",
                               "LoupeMono-Bold.ttf",
                               "LoupeMono-Regular.ttf"});
    CHECK(QFontInfo(Theme::font(TextRole::Heading)).weight() == QFont::DemiBold);
    CHECK(QFontInfo(Theme::font(TextRole::NumberHero)).weight() == QFont::Bold);
    // Minus, times, dots, comparisons, arrows, check: a missing glyph would come from some other font.
    const QString needed = QString::fromUtf8("−×·±≈≤≥∞√Σ→←↑↓…–—✓µ²³●◆▲•|0123456789");
    for (const TextRole role : {TextRole::Body, TextRole::Heading, TextRole::Number, TextRole::NumberHero}) {
        const QRawFont raw = QRawFont::fromFont(Theme::font(role));
        for (const QChar c : needed) {
            CAPTURE(static_cast<int>(role), QString(c).toStdString());
            CHECK(raw.supportsCharacter(c));
        }
    }
    const QFontMetricsF mono(Theme::font(TextRole::Number));
    CHECK_THAT(mono.horizontalAdvance("1111"), Catch::Matchers::WithinAbs(mono.horizontalAdvance("4444"), 1e-9));
    const QRawFont number = QRawFont::fromFont(Theme::font(TextRole::Number));
    CHECK(number.glyphIndexesForString("!=").size() == 2);
}

TEST_CASE("numbers are written as the visual language says") {
    const QString nb(QChar(0xA0));
    const QString minus(QChar(0x2212));
    CHECK(formatCount(16777216) == "16" + nb + "777" + nb + "216");
    CHECK(formatCount(4096) == "4096");
    CHECK(formatCount(65536) == "65" + nb + "536");
    CHECK(formatCount(-1234567) == minus + "1" + nb + "234" + nb + "567");
    CHECK(formatNumber(1.2434e-5) == "1.243e" + minus + "5");
    CHECK(formatNumber(-0.0851) == minus + "0.08510");
    CHECK(formatNumber(19.486) == "19.49");
    CHECK(formatNumber(9.99996) == "10.00");
    CHECK(formatNumber(0) == "0");
    CHECK(formatNumber(std::numeric_limits<double>::quiet_NaN()) == "NaN");
    CHECK(formatNumber(-std::numeric_limits<double>::infinity()) == minus + QString(QChar(0x221E)));
    CHECK(formatNumber(123456.0) == "123" + nb + "456");
    CHECK(formatNumber(1.5e10) == "1.500e10");
    CHECK(formatFixed(-4.1254, 3) == minus + "4.125");
    CHECK(formatPercent(0.25321) == "25.32" + nb + "%");
    CHECK(formatExact(double{0.1F}, true) == "0.1");
    CHECK(formatExact(0.1, false) == "0.1");
    CHECK(formatExact(double{0.1F}, false) == "0.10000000149011612");
    CHECK(formatExact(-1e-5) == minus + "1e" + minus + "5");
    CHECK(toAscii(formatNumber(-1.2434e-5)) == "-1.243e-5");
    CHECK(toAscii(formatCount(16777216)) == "16777216");
    CHECK(toAscii(formatNumber(std::numeric_limits<double>::infinity())) == "inf");
}

TEST_CASE("every icon draws something and recolours with the theme") {
    const QStringList files = QDir(":/tensorloupe/icons").entryList({"*.svg"}, QDir::Files);
    CHECK(files.size() >= 40);
    for (QString file : files) {
        file.chop(4);
        applyTheme(ThemeId::Dark, 1);
        const QImage dark = themedIcon(file).pixmap(QSize(32, 32)).toImage();
        applyTheme(ThemeId::Light, 1);
        const QImage light = themedIcon(file).pixmap(QSize(32, 32)).toImage();
        CAPTURE(file.toStdString());
        CHECK(dark != light);
        int inked = 0;
        for (int y = 0; y < 32; ++y) {
            for (int x = 0; x < 32; ++x) {
                inked += qAlpha(light.pixel(x, y)) > 128 ? 1 : 0;
            }
        }
        CHECK(inked > 8);
    }
}
