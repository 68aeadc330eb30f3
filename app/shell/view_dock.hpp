// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/view.hpp"

#include <QDockWidget>

class QLabel;
class QToolButton;

namespace loupe::app {

class ViewDock;

/// The header of a dock: title, subtitle, at most two icons of the view and a menu. Draggable like
/// any dock title.
class DockHeader : public QWidget {
    Q_OBJECT

public:
    explicit DockHeader(ViewDock& dock);
    /// Shows the view's subtitle and actions.
    void showView(const View& view);
    /// Puts the view's own widget in place of title and subtitle.
    void setLead(QWidget* lead);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void openMenu();

    ViewDock& m_dock;
    QLabel* m_title = nullptr;
    QLabel* m_subtitle = nullptr;
    QWidget* m_lead = nullptr;
    QToolButton* m_icons[2] = {};
    QToolButton* m_menu = nullptr;
};

/// A dock around one view of the registry. The view is made when it is first needed.
class ViewDock : public QDockWidget {
    Q_OBJECT

public:
    ViewDock(const ViewDefinition& definition, Document& document, QWidget* parent);

    [[nodiscard]] const ViewDefinition& definition() const { return m_definition; }
    /// The view; made now if it was not there yet.
    [[nodiscard]] View& view();
    /// State for when the view is made; applied at once where it is there.
    void restoreView(const QJsonObject& state);
    [[nodiscard]] QJsonObject saveView() const;

signals:
    void copyRequested(loupe::app::View* view);
    void exportRequested(loupe::app::View* view);
    void helpRequested(loupe::app::View* view);

protected:
    void showEvent(QShowEvent* event) override;

private:
    const ViewDefinition& m_definition;
    Document& m_document;
    DockHeader* m_header = nullptr;
    View* m_view = nullptr;
    QJsonObject m_pendingState;
};

}  // namespace loupe::app
