// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/atlas/atlas_model.hpp"

#include <QWidget>

class QLabel;
class QPushButton;
class QSplitter;
class QStackedWidget;

namespace loupe::app {

class AtlasPicture;
class EmptyState;
class FlagPanel;
class MessageBar;
class MetricPanel;
class ProgressLine;
class RangeLegend;
class TreemapBar;
class TreemapPicture;
class TypeKey;

/// Metrics, the picture (layers by roles, or the treemap of the bytes) with its legend and the
/// selected tensor, threshold and list.
class AtlasPane : public QWidget {
    Q_OBJECT

public:
    explicit AtlasPane(AtlasModel& model, QWidget* parent = nullptr);

    [[nodiscard]] AtlasPicture& picture() { return *m_picture; }
    [[nodiscard]] TreemapPicture& treemap() { return *m_treemap; }
    [[nodiscard]] TreemapBar& treemapBar() { return *m_bar; }
    /// The treemap instead of the matrix.
    void showTreemap(bool shown);
    [[nodiscard]] bool isTreemap() const;
    [[nodiscard]] RangeLegend& legend() { return *m_legend; }
    [[nodiscard]] FlagPanel& flags() { return *m_flags; }
    [[nodiscard]] MetricPanel& chooser() { return *m_metrics; }
    [[nodiscard]] MessageBar& message() { return *m_message; }
    /// Reads a table of the user's in the background. Errors are told in the message bar.
    void importOwn(const QString& path);
    void resetLayout();
    [[nodiscard]] QSizeF exportSize() const;
    void paintExport(QPainter& painter, const QRectF& target);

signals:
    void readoutChanged(const QString& html);

protected:
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void buildCentre();
    void buildBody();
    void connectCentre();
    void askImport();
    void takeOwn(const QString& path, const OwnTable& table);
    void showValues();
    void showSelection();
    void arrange();

    AtlasModel& m_model;
    QSplitter* m_columns = nullptr;
    QSplitter* m_middle = nullptr;
    MetricPanel* m_metrics = nullptr;
    QWidget* m_centre = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_subtitle = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    QWidget* m_body = nullptr;
    EmptyState* m_empty = nullptr;
    QStackedWidget* m_pictures = nullptr;
    AtlasPicture* m_picture = nullptr;
    TreemapPicture* m_treemap = nullptr;
    TreemapBar* m_bar = nullptr;
    QWidget* m_barBox = nullptr;
    RangeLegend* m_legend = nullptr;
    TypeKey* m_types = nullptr;
    QLabel* m_detail = nullptr;
    QPushButton* m_open = nullptr;
    FlagPanel* m_flags = nullptr;
    QAction* m_closeMessage = nullptr;
    QAction* m_copyProblems = nullptr;
    QString m_problems;
    bool m_byHand = false;  ///< the colour range, until another metric is chosen
    bool m_moved = false;
    bool m_small = false;
    bool m_arranged = false;
};

}  // namespace loupe::app
