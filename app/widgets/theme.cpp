// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/theme.hpp"

#include <QApplication>
#include <QFontDatabase>
#include <QPixmapCache>
#include <QStyle>
#include <QStyleHints>
#include <QWidget>

#include <cmath>

#include "app/widgets/loupe_style.hpp"
#include "core/base/assert.hpp"

/// Resources of a static library must be named once; the macro needs the global namespace.
static void initResources() { Q_INIT_RESOURCE(tensorloupe); }

namespace loupe::app {

namespace {

constexpr const char* kRoleProperty = "loupeTextRole";

struct State {
    Theme theme = Theme::make(ThemeId::Light);
    double fontScale = 1;
};

State& state() {
    static State instance;
    return instance;
}

struct FontSpec {
    bool mono;
    int weight;
    double px;
};

FontSpec fontSpec(TextRole role) {
    switch (role) {
        case TextRole::Caption: return {false, QFont::Normal, 11};
        case TextRole::Small: return {false, QFont::Normal, 12};
        case TextRole::Body: return {false, QFont::Normal, 13};
        case TextRole::Heading: return {false, QFont::DemiBold, 13};
        case TextRole::Title: return {false, QFont::DemiBold, 15};
        case TextRole::Display: return {false, QFont::DemiBold, 30};
        case TextRole::Number: return {true, QFont::Normal, 12};
        case TextRole::NumberAxis: return {true, QFont::Normal, 11};
        case TextRole::NumberHero: return {true, QFont::Bold, 20};
        case TextRole::Equation: return {true, QFont::Normal, 13};
    }
    return {false, QFont::Normal, 13};
}

void loadFonts() {
    static bool loaded = false;
    if (loaded) {
        return;
    }
    loaded = true;
    initResources();
    for (const char* face : {"LoupeInter-Regular.otf",
                             "LoupeInter-Medium.otf",
                             "LoupeInter-SemiBold.otf",
                             "LoupeInter-Italic.otf",
                             "LoupeMono-Regular.ttf",
                             "LoupeMono-Bold.ttf"}) {
        const int id = QFontDatabase::addApplicationFont(QStringLiteral(":/tensorloupe/fonts/") + QLatin1String(face));
        LOUPE_ASSERT(id >= 0, "a bundled font cannot be loaded");
    }
}

void setBitColours(Theme& t) {
    t.bitSign = QColor::fromRgb(0xEE7B66);
    t.bitExponent = QColor::fromRgb(0xF2CB6E);
    t.bitFraction = QColor::fromRgb(0x7CBEF5);
    t.bitScale = QColor::fromRgb(0xB5EBCB);
    t.bitZeroPoint = QColor::fromRgb(0x9A6FDB);
    t.bitPadding = QColor::fromRgb(0x8A9099);
    t.bitText = QColor::fromRgb(0x0E0F11);
}

Theme darkTheme() {
    Theme t;
    t.dark = true;
    t.canvas = QColor::fromRgb(0x131416);
    t.panel = QColor::fromRgb(0x1B1C1F);
    t.raised = QColor::fromRgb(0x25272B);
    t.pressed = QColor::fromRgb(0x303338);
    t.selected = QColor::fromRgb(0x313A47);
    t.line = QColor::fromRgb(0x34373C);
    t.border = QColor::fromRgb(0x4A4E55);
    t.grid = QColor::fromRgb(0x26282C);
    t.fill = QColor::fromRgb(0x5B6068);
    t.text = QColor::fromRgb(0xECEEF1);
    t.text2 = QColor::fromRgb(0xB6BBC2);
    t.text3 = QColor::fromRgb(0x90969E);
    t.schemeA = QColor::fromRgb(0x35C9B9);
    t.schemeB = QColor::fromRgb(0xC29BF7);
    t.original = QColor::fromRgb(0xC9CDD3);
    t.outlier = QColor::fromRgb(0xFFAE57);
    t.warning = QColor::fromRgb(0xF0CC5A);
    t.error = QColor::fromRgb(0xFF8A7A);
    t.focus = QColor::fromRgb(0x9CC2FF);
    return t;
}

Theme lightTheme() {
    Theme t;
    t.canvas = QColor::fromRgb(0xFFFFFF);
    t.panel = QColor::fromRgb(0xF4F5F6);
    t.raised = QColor::fromRgb(0xE8EAED);
    t.pressed = QColor::fromRgb(0xDCDFE3);
    t.selected = QColor::fromRgb(0xDCE6F2);
    t.line = QColor::fromRgb(0xD9DCE0);
    t.border = QColor::fromRgb(0xB4B9C0);
    t.grid = QColor::fromRgb(0xECEEF0);
    t.fill = QColor::fromRgb(0xA9AFB7);
    t.text = QColor::fromRgb(0x17191C);
    t.text2 = QColor::fromRgb(0x454A51);
    t.text3 = QColor::fromRgb(0x5D636B);
    t.schemeA = QColor::fromRgb(0x00706A);
    t.schemeB = QColor::fromRgb(0x7A3FC4);
    t.original = QColor::fromRgb(0x4B5057);
    t.outlier = QColor::fromRgb(0xA04A00);
    t.warning = QColor::fromRgb(0x6B5600);
    t.error = QColor::fromRgb(0xB3261E);
    t.focus = QColor::fromRgb(0x1F5FD0);
    return t;
}

Theme projectorTheme() {
    Theme t;
    t.canvas = QColor::fromRgb(0xFFFFFF);
    t.panel = QColor::fromRgb(0xFFFFFF);
    t.raised = QColor::fromRgb(0xECEEF1);
    t.pressed = QColor::fromRgb(0xDADDE2);
    t.selected = QColor::fromRgb(0xC9D8EC);
    t.line = QColor::fromRgb(0x8A9099);
    t.border = QColor::fromRgb(0x5A6068);
    t.grid = QColor::fromRgb(0xE2E5E9);
    t.fill = QColor::fromRgb(0x7A818A);
    t.text = QColor::fromRgb(0x000000);
    t.text2 = QColor::fromRgb(0x1F2328);
    t.text3 = QColor::fromRgb(0x3A4047);
    t.schemeA = QColor::fromRgb(0x005E58);
    t.schemeB = QColor::fromRgb(0x6A1FC0);
    t.original = QColor::fromRgb(0x2B2F34);
    t.outlier = QColor::fromRgb(0x8A3E00);
    t.warning = QColor::fromRgb(0x574500);
    t.error = QColor::fromRgb(0x8E1208);
    t.focus = QColor::fromRgb(0x0B3FA8);
    return t;
}

void setDefaultFonts() {
    QApplication::setFont(Theme::font(TextRole::Body));
    QApplication::setFont(Theme::font(TextRole::Caption), "QHeaderView");
    QApplication::setFont(Theme::font(TextRole::Small), "QAbstractItemView");
    QApplication::setFont(Theme::font(TextRole::Small), "QTipLabel");
    QApplication::setFont(Theme::font(TextRole::Small), "QStatusBar");
    QApplication::setFont(Theme::font(TextRole::Body), "QComboBoxListView");
    QApplication::setFont(Theme::font(TextRole::Body), "QMenu");
    for (QWidget* widget : QApplication::allWidgets()) {
        const QVariant role = widget->property(kRoleProperty);
        if (role.isValid()) {
            widget->setFont(Theme::font(static_cast<TextRole>(role.toInt())));
        }
    }
}

}  // namespace

const Theme& Theme::current() { return state().theme; }

Theme Theme::make(ThemeId id) {
    Theme theme = id == ThemeId::Dark ? darkTheme() : id == ThemeId::Light ? lightTheme() : projectorTheme();
    theme.id = id;
    setBitColours(theme);
    return theme;
}

QPalette Theme::palette() const {
    QPalette p;
    p.setColor(QPalette::Window, panel);
    p.setColor(QPalette::WindowText, text);
    p.setColor(QPalette::Base, canvas);
    p.setColor(QPalette::AlternateBase, panel);
    p.setColor(QPalette::Text, text);
    p.setColor(QPalette::PlaceholderText, text3);
    p.setColor(QPalette::Button, raised);
    p.setColor(QPalette::ButtonText, text);
    p.setColor(QPalette::ToolTipBase, raised);
    p.setColor(QPalette::ToolTipText, text);
    p.setColor(QPalette::Highlight, selected);
    p.setColor(QPalette::HighlightedText, text);
    p.setColor(QPalette::Light, pressed);
    p.setColor(QPalette::Midlight, raised);
    p.setColor(QPalette::Mid, line);
    p.setColor(QPalette::Dark, border);
    p.setColor(QPalette::Shadow, Qt::black);
    p.setColor(QPalette::Link, text);
    p.setColor(QPalette::LinkVisited, text2);
    p.setColor(QPalette::BrightText, error);
    for (const QPalette::ColorRole role :
         {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::HighlightedText, QPalette::Link}) {
        p.setColor(QPalette::Disabled, role, text3);
    }
    return p;
}

QFont Theme::font(TextRole role) {
    const FontSpec spec = fontSpec(role);
    QFont font(spec.mono ? QStringLiteral("Loupe Mono") : QStringLiteral("Loupe Inter"));
    font.setPixelSize(static_cast<int>(std::lround(spec.px * state().fontScale)));
    font.setWeight(static_cast<QFont::Weight>(spec.weight));
    // Same advances on every platform; the bundled faces carry no hinting.
    font.setHintingPreference(QFont::PreferNoHinting);
    font.setStyleHint(spec.mono ? QFont::Monospace : QFont::SansSerif);
    if (role == TextRole::Display) {
        font.setLetterSpacing(QFont::AbsoluteSpacing, -0.4 * state().fontScale);
    }
    return font;
}

int Theme::px(double length) { return static_cast<int>(std::lround(length * state().fontScale)); }

double Theme::fontScale() { return state().fontScale; }

void applyTheme(ThemeId id, double fontScale) {
    LOUPE_ASSERT(qApp != nullptr, "a theme needs the application");
    LOUPE_ASSERT(fontScale > 0, "font scale");
    loadFonts();
    const bool first = qobject_cast<LoupeStyle*>(QApplication::style()) == nullptr;
    const bool rescaled = fontScale != state().fontScale;
    state().theme = Theme::make(id);
    state().fontScale = fontScale;
    QPixmapCache::clear();
    if (first || rescaled) {
        QApplication::setStyle(new LoupeStyle);
    }
    QApplication::setPalette(state().theme.palette());
    if (first || rescaled) {
        setDefaultFonts();
    }
}

ThemeId systemTheme() {
    // Before applyTheme() the application's palette is the platform's. Qt 6.4 has no colour scheme hint.
    static const ThemeId asked = [] {
        const QPalette palette = QApplication::palette();
        return palette.color(QPalette::WindowText).lightnessF() > palette.color(QPalette::Window).lightnessF() ? ThemeId::Dark
                                                                                                               : ThemeId::Light;
    }();
    return asked;
}

void setTextRole(QWidget* widget, TextRole role) {
    widget->setProperty(kRoleProperty, static_cast<int>(role));
    widget->setFont(Theme::font(role));
}

void setTone(QWidget* widget, Tone tone) {
    // Palette roles that hold these tokens (Theme::palette()), so that a label follows the theme by itself.
    widget->setForegroundRole(tone == Tone::Normal      ? QPalette::WindowText
                              : tone == Tone::Secondary ? QPalette::LinkVisited
                                                        : QPalette::PlaceholderText);
}

}  // namespace loupe::app
