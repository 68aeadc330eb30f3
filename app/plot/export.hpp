// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/theme.hpp"

#include <QDialog>
#include <QImage>
#include <QList>
#include <QPair>
#include <QSizeF>
#include <QString>
#include <QStringList>

#include <optional>

class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPainter;
class QSpinBox;

namespace loupe::app {

class View;

/// How a picture is written. Slides are light: the dark theme is only used when asked for.
struct ExportOptions {
    std::optional<ThemeId> theme = ThemeId::Light;  ///< empty: the theme on screen
    QSizeF size;  ///< of the picture in logical pixels, without title and foot; empty: as on screen
    double scale = 2;   ///< device pixels per logical pixel of a PNG
    bool title = true;  ///< title line above, and a foot with schemes and version
};

/// What exports write beside a picture: title, source, tensor, schemes, program version. In PNG as
/// tEXt, in SVG and PDF as title and description.
[[nodiscard]] QList<QPair<QString, QString>> exportMetadata(View& view);

/// Writes the view to `path`; the suffix says how: png, svg, pdf (vector, text stays text), csv,
/// tsv (the numbers behind the picture: View::copyText()). Nothing half-written is left behind.
/// @return false: `problem` says what failed and why
[[nodiscard]] bool exportView(View& view,
                              const QString& path,
                              const ExportOptions& options = {},
                              QString* problem = nullptr);

/// The picture as an image, as a PNG would hold it.
[[nodiscard]] QImage renderView(View& view, const ExportOptions& options = {});

/// Puts the picture on the clipboard.
void copyPicture(View& view, const ExportOptions& options = {});

/// TSV as CSV (RFC 4180: quotes only where needed).
[[nodiscard]] QString csvFromTsv(const QString& tsv);

/// Format, size, theme and a preview; "Export…" asks for the file. Errors are shown in the dialog.
class ExportDialog : public QDialog {
    Q_OBJECT

public:
    explicit ExportDialog(View& view, QWidget* parent = nullptr);

    [[nodiscard]] ExportOptions options() const;
    /// The chosen kind: "png", "svg", "pdf", "csv", "tsv".
    [[nodiscard]] QString kind() const;
    /// Exports without asking; true: done and accepted, false: the dialog shows why.
    bool exportTo(const QString& path);

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    void askAndExport();
    void updatePreview();
    [[nodiscard]] QString suggestedPath() const;

    View& m_view;
    QComboBox* m_kind = nullptr;
    QComboBox* m_theme = nullptr;
    QSpinBox* m_width = nullptr;
    QSpinBox* m_height = nullptr;
    QComboBox* m_scale = nullptr;
    QLabel* m_preview = nullptr;
    QLabel* m_facts = nullptr;
    QLabel* m_problem = nullptr;
};

}  // namespace loupe::app
