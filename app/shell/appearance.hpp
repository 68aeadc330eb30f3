// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QString>

class QMenu;

namespace loupe::app {

/// Theme and size of text: what the user chose, kept in the settings.
class Appearance : public QObject {
    Q_OBJECT

public:
    explicit Appearance(QObject* parent = nullptr);

    /// "system", "light", "dark" or "projector". `remember` false: for this run only (command
    /// line).
    void setTheme(const QString& name, bool remember = true);
    void setFontScale(double scale, bool remember = true);
    void larger() { setFontScale(m_scale * kStep); }
    void smaller() { setFontScale(m_scale / kStep); }
    void resetFont() { setFontScale(1); }
    /// Applies what the settings say, with the given overrides (empty, 0: none).
    void start(const QString& theme, double fontScale);
    [[nodiscard]] const QString& theme() const { return m_theme; }
    [[nodiscard]] double fontScale() const { return m_scale; }
    /// Fills a menu with the exclusive choices.
    void fillMenu(QMenu* menu);
    [[nodiscard]] static QStringList themes();

signals:
    void changed();

private:
    void apply();

    static constexpr double kStep = 1.1;
    QString m_theme = QStringLiteral("system");
    double m_scale = 1;
};

}  // namespace loupe::app
