// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QPalette>
#include <QString>

class QWidget;

namespace loupe::app {

/// Type roles of the visual language: face, weight and size; everything scales with the font scale.
enum class TextRole {
    Caption,     ///< UI 11: axis titles, table headers, section captions
    Small,       ///< UI 12: tables, form labels, status, messages
    Body,        ///< UI 13: menus, tabs, tree, buttons
    Heading,     ///< UI 600 13: dock and panel titles
    Title,       ///< UI 600 15: selected object, cards
    Display,     ///< UI 600 30: start page
    Number,      ///< mono 12: tables, fields, read-outs
    NumberAxis,  ///< mono 11: ticks
    NumberHero,  ///< mono 600 20: the selected value
    Equation,    ///< mono 13
};

enum class ThemeId { Dark, Light, Projector };

/// Colours and fonts by meaning. Widgets ask the current theme and never write a hex value; on QEvent::PaletteChange they
/// rebuild pens. Data colours (bit fields, colour maps) are the same in every theme.
struct Theme {
    ThemeId id = ThemeId::Light;
    bool dark = false;
    QColor canvas, panel, raised, pressed, selected, line, border, grid, fill;
    QColor text, text2, text3;
    QColor schemeA, schemeB, original, outlier, warning, error, focus;
    // Bit fields; text on them is bitText.
    QColor bitSign, bitExponent, bitFraction, bitScale, bitZeroPoint, bitPadding, bitText;

    /// The theme in force; Light before applyTheme().
    [[nodiscard]] static const Theme& current();
    /// A theme's tokens without applying it (exports use Light or Projector).
    [[nodiscard]] static Theme make(ThemeId id);
    [[nodiscard]] QPalette palette() const;

    [[nodiscard]] static QFont font(TextRole role);
    /// A length in logical pixels of the visual language, times the font scale.
    [[nodiscard]] static int px(double length);
    [[nodiscard]] static double fontScale();
};

/// Loads the bundled fonts, installs LoupeStyle, palette and default font; all widgets get PaletteChange.
/// `fontScale` 1 is 100 %; may be called again at any time.
void applyTheme(ThemeId id, double fontScale);

/// Gives a widget a role's font and keeps it when the font scale changes.
void setTextRole(QWidget* widget, TextRole role);

/// Text, text2 or text3 for a label; follows the theme by itself.
enum class Tone { Normal, Secondary, Tertiary };
void setTone(QWidget* widget, Tone tone);

/// What the desktop asks for (dark or light); Light where it does not say.
[[nodiscard]] ThemeId systemTheme();

/// A 16-grid icon of our own set that recolours with the theme: "open", "matrix", "vector", "module", "outlier", "warning",
/// "error", "check", "pin", "link", "lock", "swap", "reset", "export", "copy", "search", "undo", "redo", "prev", "next", ...
[[nodiscard]] QIcon themedIcon(const QString& name);

/// Numbers as the visual language writes them: U+2212 minus, no-break space between thousands.
[[nodiscard]] QString formatCount(qint64 count);
/// `digits` significant digits, "1.243e−5" where short; "NaN", "∞", "−∞".
[[nodiscard]] QString formatNumber(double value, int digits = 4);
/// The shortest decimal that reads back as the same float or double, with U+2212.
[[nodiscard]] QString formatExact(double value, bool isFloat = true);
/// "25.32 %" with fixed decimals.
[[nodiscard]] QString formatPercent(double fraction, int decimals = 2);
/// Fixed decimals, U+2212; "NaN", "∞".
[[nodiscard]] QString formatFixed(double value, int decimals);
/// The ASCII form of a formatted number for the clipboard: "-", no thousands separators.
[[nodiscard]] QString toAscii(QString text);

}  // namespace loupe::app
