// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/dock_layout.hpp"

#include "app/widgets/theme.hpp"

#include <QMainWindow>
#include <QPainter>
#include <QTabWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kStateVersion = 1;
constexpr int kRailWidth = 40;
constexpr int kCompareBottom = 378;
constexpr int kWidthM = 1500;
constexpr int kWidthL = 2300;

struct Sizes {
    int left, right, bottom;
};
constexpr Sizes kSizes[] = {{240, 304, 224}, {352, 384, 340}, {400, 440, 420}};

/// Preferred lengths along the area for the views of layout.md.
int preferred(const ViewDock& dock, Area area) {
    struct Share {
        const char* id;
        int length;
    };
    static constexpr Share kShares[] = {{"histogram", 424},
                                        {"outliers", 288},
                                        {"weight", 472},
                                        {"channel_error", 320},
                                        {"scheme_a", 264},
                                        {"scheme_b", 176},
                                        {"error_table", 268},
                                        {"code_usage", 170},
                                        {"storage", 170}};
    const auto found =
        std::find_if(std::begin(kShares), std::end(kShares), [&](const Share& share) {
            return qstrcmp(share.id, dock.definition().id) == 0;
        });
    return Theme::px(found != std::end(kShares) ? found->length : area == Area::Bottom ? 320 : 200);
}

/// A button whose text runs downwards: the folded form of a side dock.
class RailButton : public QToolButton {
public:
    RailButton(const QString& text, QWidget* parent) : QToolButton(parent) {
        setText(text);
        setAccessibleName(DockLayout::tr("Unfold %1").arg(text));
        setToolTip(accessibleName());
    }
    [[nodiscard]] QSize sizeHint() const override {
        return {Theme::px(kRailWidth), fontMetrics().horizontalAdvance(text()) + Theme::px(48)};
    }

protected:
    void paintEvent(QPaintEvent*) override {
        const Theme& theme = Theme::current();
        QPainter painter(this);
        painter.fillRect(rect(), underMouse() || hasFocus() ? theme.raised : theme.panel);
        const int icon = Theme::px(16);
        themedIcon(QStringLiteral("next"))
            .paint(&painter, QRect((width() - icon) / 2, Theme::px(8), icon, icon));
        painter.setPen(theme.text2);
        painter.setFont(Theme::font(TextRole::Body));
        painter.translate(width() / 2.0, Theme::px(36));
        painter.rotate(90);
        painter.drawText(
            QRectF(0, -width() / 2.0, height(), width()), Qt::AlignLeft | Qt::AlignVCenter, text());
    }
};

}  // namespace

DockLayout::DockLayout(QMainWindow& window, std::vector<ViewDock*> docks)
    : QObject(&window), m_window(window), m_docks(std::move(docks)) {
    window.setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    window.setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
    window.setCorner(Qt::TopLeftCorner, Qt::LeftDockWidgetArea);
    window.setCorner(Qt::TopRightCorner, Qt::RightDockWidgetArea);
    window.setDockOptions(QMainWindow::AllowNestedDocks | QMainWindow::AllowTabbedDocks);
    window.setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
    buildRail();
    for (ViewDock* dock : m_docks) {
        const Area area = dock->definition().area;
        window.addDockWidget(area == Area::Left    ? Qt::LeftDockWidgetArea
                             : area == Area::Right ? Qt::RightDockWidgetArea
                                                   : Qt::BottomDockWidgetArea,
                             dock);
        dock->hide();
    }
}

void DockLayout::buildRail() {
    m_rail = new QDockWidget(tr("Folded panels"), &m_window);
    m_rail->setObjectName(QStringLiteral("dock.rail"));
    m_rail->setFeatures(QDockWidget::NoDockWidgetFeatures);
    auto* noTitle = new QWidget(m_rail);
    noTitle->setLayout(new QVBoxLayout);
    noTitle->layout()->setContentsMargins(0, 0, 0, 0);
    m_rail->setTitleBarWidget(noTitle);
    m_rail->toggleViewAction()->setVisible(false);
    auto* content = new QWidget(m_rail);
    auto* layout = new QVBoxLayout(content);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addStretch(1);
    m_rail->setWidget(content);
    m_window.addDockWidget(Qt::LeftDockWidgetArea, m_rail);
    m_rail->hide();
}

WindowClass DockLayout::windowClass() const {
    const double width = m_window.width() / Theme::fontScale();
    return width < kWidthM ? WindowClass::S : width < kWidthL ? WindowClass::M : WindowClass::L;
}

std::vector<ViewDock*> DockLayout::of(Area area) const {
    std::vector<ViewDock*> docks;
    std::copy_if(
        m_docks.begin(), m_docks.end(), std::back_inserter(docks), [area](const ViewDock* dock) {
            return dock->definition().area == area;
        });
    return docks;
}

void DockLayout::setActive(bool active) {
    if (active == m_active) {
        return;
    }
    m_active = active;
    for (ViewDock* dock : m_docks) {
        dock->toggleViewAction()->setEnabled(active);
    }
    if (!active) {
        m_parked = m_window.saveState(kStateVersion);
        m_rail->hide();
        for (ViewDock* dock : m_docks) {
            dock->hide();
        }
        return;
    }
    if (!m_parked.isEmpty() && m_window.restoreState(m_parked, kStateVersion)) {
        m_class = windowClass();
        m_arranged = true;
        m_builtIn = false;
        updateRail();
        return;
    }
    reset();
}

void DockLayout::reset() {
    m_folded.clear();
    m_active = true;
    arrange(windowClass());
}

void DockLayout::arrange(WindowClass size) {
    m_class = size;
    m_arranged = true;
    m_builtIn = true;
    for (ViewDock* dock : m_docks) {
        dock->setFloating(false);
        m_window.removeDockWidget(dock);
    }
    m_window.addDockWidget(Qt::LeftDockWidgetArea, m_rail);
    for (ViewDock* dock : of(Area::Left)) {
        m_window.addDockWidget(Qt::LeftDockWidgetArea, dock, Qt::Horizontal);
        dock->show();
    }
    for (ViewDock* dock : of(Area::Right)) {
        m_window.addDockWidget(Qt::RightDockWidgetArea, dock, Qt::Vertical);
        dock->show();
    }
    if (size == WindowClass::S) {
        pairUp("scheme_a", "scheme_b");
        pairUp("error_table", "code_usage");
        pairUp("error_table", "storage");
    } else {
        pairUp("code_usage", "storage");
    }
    const std::vector<ViewDock*> bottom = of(Area::Bottom);
    const std::size_t abreast = size == WindowClass::S ? 1 : size == WindowClass::M ? 3 : 4;
    for (std::size_t i = 0; i < bottom.size(); ++i) {
        if (i == 0) {
            m_window.addDockWidget(Qt::BottomDockWidgetArea, bottom[i]);
        } else if (i < abreast) {
            m_window.splitDockWidget(bottom[i - 1], bottom[i], Qt::Horizontal);
        } else {
            // What has no place of its own is a tab beside the second (the first, at S); the
            // microscope, which says more of the same weight, beside that.
            const bool wide = qstrcmp(bottom[i]->definition().id, "microscope") == 0;
            m_window.tabifyDockWidget(bottom[std::min<std::size_t>(wide ? 2 : 1, abreast - 1)],
                                      bottom[i]);
        }
        bottom[i]->show();
    }
    const auto isWeight = [](const ViewDock* dock) {
        return qstrcmp(dock->definition().id, "weight") == 0;
    };
    const auto weight = std::find_if(bottom.begin(), bottom.end(), isWeight);
    if (size == WindowClass::S) {
        for (ViewDock* dock : of(Area::Left)) {
            setFolded(dock, true);
        }
        if (!bottom.empty()) {
            (weight != bottom.end() ? *weight : bottom.front())->raise();
        }
    } else if (bottom.size() > abreast) {
        bottom[1]->raise();
        if (weight != bottom.end()) {
            (*weight)->raise();
        }
    }
    applySizes(size);
    updateRail();
}

void DockLayout::applySizes(WindowClass size) {
    const Sizes sizes = kSizes[static_cast<int>(size)];
    const auto resize = [&](Area area, Qt::Orientation orientation, auto length) {
        QList<QDockWidget*> list;
        QList<int> lengths;
        for (ViewDock* dock : of(area)) {
            if (!m_folded.contains(dock)) {
                list << dock;
                lengths << length(*dock);
            }
        }
        m_window.resizeDocks(list, lengths, orientation);
    };
    const auto fixed = [](int length) {
        return [length](const ViewDock&) { return Theme::px(length); };
    };
    resize(Area::Left, Qt::Horizontal, fixed(sizes.left));
    resize(Area::Right, Qt::Horizontal, fixed(sizes.right));
    resize(Area::Bottom, Qt::Vertical, fixed(sizes.bottom));
    resize(Area::Right, Qt::Vertical, [](const ViewDock& dock) {
        return preferred(dock, Area::Right);
    });
    if (size != WindowClass::S) {
        resize(Area::Bottom, Qt::Horizontal, [](const ViewDock& dock) {
            return preferred(dock, Area::Bottom);
        });
    }
}

/// Two panels on one place, the first in front.
void DockLayout::pairUp(const char* front, const char* behind) {
    const auto find = [this](const char* id) {
        const auto found = std::find_if(m_docks.begin(), m_docks.end(), [id](const ViewDock* dock) {
            return qstrcmp(dock->definition().id, id) == 0;
        });
        return found == m_docks.end() ? nullptr : *found;
    };
    ViewDock* first = find(front);
    ViewDock* second = find(behind);
    if (first != nullptr && second != nullptr) {
        m_window.tabifyDockWidget(first, second);
        first->raise();
    }
}

void DockLayout::shown() {
    if (m_active && m_builtIn) {
        applySizes(m_class);
    }
}

void DockLayout::compare() {
    reset();
    for (ViewDock* dock : of(Area::Left)) {
        setFolded(dock, true);
    }
    for (ViewDock* dock : of(Area::Bottom)) {
        const bool shown = qstrcmp(dock->definition().id, "microscope") == 0;
        dock->setVisible(shown);
        if (shown && m_class != WindowClass::S) {
            m_window.resizeDocks({dock}, {Theme::px(kCompareBottom)}, Qt::Vertical);
        }
    }
    updateRail();
}

void DockLayout::resized() {
    const WindowClass now = windowClass();
    if (!m_active || !m_arranged || now == m_class) {
        return;
    }
    // What the user closed stays closed; only our own folding is undone and done again.
    QSet<QDockWidget*> closed;
    for (ViewDock* dock : m_docks) {
        if (!dock->toggleViewAction()->isChecked() && !m_folded.contains(dock)) {
            closed.insert(dock);
        }
    }
    m_folded.clear();
    arrange(now);
    for (QDockWidget* dock : closed) {
        dock->hide();
    }
}

void DockLayout::setFolded(ViewDock* dock, bool folded) {
    if (folded) {
        m_folded.insert(dock);
    } else {
        m_folded.remove(dock);
    }
    dock->setVisible(!folded);
}

void DockLayout::reveal(ViewDock* dock) {
    const bool folded = m_folded.contains(dock);
    setFolded(dock, false);
    if (folded) {
        m_window.resizeDocks(
            {dock}, {Theme::px(kSizes[static_cast<int>(m_class)].left)}, Qt::Horizontal);
        QMetaObject::invokeMethod(
            this, [this] { updateRail(); }, Qt::QueuedConnection);
    }
    dock->raise();
    dock->view().setFocus();
}

void DockLayout::updateRail() {
    QWidget* content = m_rail->widget();
    qDeleteAll(content->findChildren<QToolButton*>());
    auto* layout = static_cast<QVBoxLayout*>(content->layout());
    int index = 0;
    for (ViewDock* dock : m_docks) {
        if (m_folded.contains(dock)) {
            auto* button = new RailButton(dock->windowTitle(), content);
            connect(button, &QToolButton::clicked, this, [this, dock] { reveal(dock); });
            layout->insertWidget(index++, button);
        }
    }
    content->setFixedWidth(Theme::px(kRailWidth));
    m_rail->setVisible(m_active && index > 0);
}

QByteArray DockLayout::save() const {
    return m_active ? m_window.saveState(kStateVersion) : m_parked;
}

bool DockLayout::restore(const QByteArray& state) {
    if (state.isEmpty()) {
        return false;
    }
    if (!m_active) {
        m_parked = state;
        return true;
    }
    const bool done = m_window.restoreState(state, kStateVersion);
    m_arranged = m_arranged || done;
    m_builtIn = m_builtIn && !done;
    m_folded.clear();
    updateRail();
    return done;
}

}  // namespace loupe::app
