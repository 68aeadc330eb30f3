// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/appearance.hpp"

#include "app/widgets/theme.hpp"

#include <QActionGroup>
#include <QMenu>
#include <QSettings>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr double kSmallest = 0.7;
constexpr double kLargest = 3;

ThemeId themeId(const QString& name) {
    if (name == QLatin1String("dark")) {
        return ThemeId::Dark;
    }
    if (name == QLatin1String("projector")) {
        return ThemeId::Projector;
    }
    return name == QLatin1String("light") ? ThemeId::Light : systemTheme();
}

}  // namespace

Appearance::Appearance(QObject* parent) : QObject(parent) {}

QStringList Appearance::themes() {
    return {QStringLiteral("system"),
            QStringLiteral("light"),
            QStringLiteral("dark"),
            QStringLiteral("projector")};
}

void Appearance::start(const QString& theme, double fontScale) {
    const QSettings settings;
    m_theme = theme.isEmpty() ? settings.value(QStringLiteral("theme"), m_theme).toString() : theme;
    const double saved = settings.value(QStringLiteral("fontScale"), 1.0).toDouble();
    m_scale = std::clamp(fontScale > 0 ? fontScale : saved, kSmallest, kLargest);
    apply();
}

void Appearance::apply() {
    applyTheme(themeId(m_theme), m_scale);
    emit changed();
}

void Appearance::setTheme(const QString& name, bool remember) {
    m_theme = name;
    if (remember) {
        QSettings().setValue(QStringLiteral("theme"), name);
    }
    apply();
}

void Appearance::setFontScale(double scale, bool remember) {
    m_scale = std::clamp(scale, kSmallest, kLargest);
    if (std::abs(m_scale - 1) < 0.02) {
        m_scale = 1;
    }
    if (remember) {
        QSettings().setValue(QStringLiteral("fontScale"), m_scale);
    }
    apply();
}

void Appearance::fillMenu(QMenu* menu) {
    auto* group = new QActionGroup(menu);
    const QStringList titles{tr("As the system"), tr("Light"), tr("Dark"), tr("Projector")};
    const QStringList names = themes();
    for (int i = 0; i < names.size(); ++i) {
        QAction* action = group->addAction(titles[i]);
        action->setCheckable(true);
        action->setData(names[i]);
        action->setChecked(names[i] == m_theme);
        menu->addAction(action);
        connect(action, &QAction::triggered, this, [this, name = names[i]] { setTheme(name); });
    }
    connect(menu, &QMenu::aboutToShow, this, [this, group] {
        for (QAction* action : group->actions()) {
            action->setChecked(action->data().toString() == m_theme);
        }
    });
}

}  // namespace loupe::app
