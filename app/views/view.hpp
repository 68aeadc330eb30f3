// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"

#include <QJsonObject>
#include <QString>
#include <QWidget>

#include <vector>

class QAction;
class QPainter;

namespace loupe::app {

/// One panel. Created by the registry; owns its widgets; never owns data. refresh() is called only
/// while the view is visible: changes that were missed while hidden are OR-ed and delivered when it
/// is shown (late joiners get Change::All).
class View : public QWidget {
    Q_OBJECT

public:
    explicit View(Document& document, QWidget* parent = nullptr);

    virtual void refresh(Changes what) = 0;
    /// View state: zoom, colour map, range lock. restore({}) resets to defaults.
    [[nodiscard]] virtual QJsonObject save() const { return {}; }
    virtual void restore(const QJsonObject&) {}
    /// Ctrl+C: the numbers behind the picture, as TSV with a header line, ASCII numbers.
    [[nodiscard]] virtual QString copyText() const { return {}; }
    /// True if the panel is a picture that can be exported.
    [[nodiscard]] virtual bool canExport() const { return false; }
    /// Draws the picture for export into `target` (logical pixels), with the colours of the theme
    /// in force; vector output keeps text as text. Default: render().
    virtual void paintExport(QPainter& painter, const QRectF& target);
    [[nodiscard]] virtual QSizeF exportSize() const { return size(); }
    /// What the dock's header shows beside the title, in text3 ("log count"; "row 1926 · column
    /// 2547").
    [[nodiscard]] QString subtitle() const { return m_subtitle; }
    /// What takes the place of title and subtitle in the dock's header (letter badge, a mark of
    /// truth); null: nothing. Asked for once; the header owns it from then on.
    [[nodiscard]] virtual QWidget* headerLead() { return nullptr; }
    /// Actions for the dock header's menu; the first two become icons if they have one.
    [[nodiscard]] virtual std::vector<QAction*> headerActions() const { return {}; }
    /// Name of the help text under resources/help/views/.
    [[nodiscard]] virtual QString helpAnchor() const { return objectName(); }
    /// The experiment that the view shows (exports write its schemes beside the picture).
    [[nodiscard]] Document& document() const { return m_document; }

signals:
    void subtitleChanged();

protected:
    void setSubtitle(const QString& text);
    void showEvent(QShowEvent* event) override;

private:
    void deliver(Changes what);

    Document& m_document;
    Changes m_missed = Change::All;
    QString m_subtitle;
};

/// Where a view goes in its workspace.
enum class Area { Left, Right, Bottom, Centre };

struct ViewDefinition {
    const char* id;
    const char* title;
    Area area;
    View* (*create)(Document& document, QWidget* parent);
};

/// A view is app/views/<id>_view.cpp defining kView_<id>, and one line in views.def.
[[nodiscard]] const std::vector<const ViewDefinition*>& allViews();

}  // namespace loupe::app
