// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/export.hpp"

#include "app/plot/plot_style.hpp"
#include "app/views/view.hpp"
#include "core/base/version.hpp"

#include <QApplication>
#include <QBuffer>
#include <QClipboard>
#include <QFileInfo>
#include <QPageLayout>
#include <QPageSize>
#include <QPainter>
#include <QPdfWriter>
#include <QSaveFile>
#include <QSvgGenerator>

#include <algorithm>
#include <cmath>
#include <functional>

namespace loupe::app {

namespace {

/// The title that the view's dock has.
QString viewTitle(const View& view) {
    for (const ViewDefinition* definition : allViews()) {
        if (view.objectName() == definition->id) {
            return definition->title;
        }
    }
    return view.windowTitle().isEmpty() ? view.objectName() : view.windowTitle();
}

/// The experiment that the picture is of; empty for a page that does not show the document
/// (property "loupeStandsAlone").
ExperimentSpec specOf(const View& view) {
    return view.property("loupeStandsAlone").toBool() ? ExperimentSpec{} : view.document().spec();
}

/// Puts another theme in force for one drawing. Nothing is painted on screen between.
class ThemeScope {
public:
    explicit ThemeScope(std::optional<ThemeId> theme)
        : m_before(Theme::current().id), m_scale(Theme::fontScale()) {
        m_changed = theme && *theme != m_before;
        if (m_changed) {
            applyTheme(*theme, m_scale);
        }
    }
    ~ThemeScope() {
        if (m_changed) {
            applyTheme(m_before, m_scale);
        }
    }
    ThemeScope(const ThemeScope&) = delete;
    ThemeScope& operator=(const ThemeScope&) = delete;

private:
    ThemeId m_before;
    double m_scale = 1;
    bool m_changed = false;
};

/// A picture with title and foot, laid out in logical pixels.
struct Page {
    QString title;
    QString subtitle;
    QStringList foot;
    QSizeF picture;
    double margin = 0;
    double titleHeight = 0;
    double footLine = 0;

    [[nodiscard]] QSizeF size() const {
        return {picture.width() + 2 * margin,
                picture.height() + titleHeight + footLine * double(foot.size()) + 2 * margin};
    }
};

QString schemeText(const QString& scheme) {
    return scheme.isEmpty() ? QObject::tr("none") : scheme;
}

Page layoutPage(View& view, const ExportOptions& options) {
    Page page;
    page.picture = options.size.isEmpty() ? view.exportSize() : options.size;
    page.picture = QSizeF(std::max(16.0, std::round(page.picture.width())),
                          std::max(16.0, std::round(page.picture.height())));
    if (!options.title) {
        return page;
    }
    page.margin = Theme::px(12);
    page.title = viewTitle(view);
    const ExperimentSpec spec = specOf(view);
    page.subtitle =
        QStringList({QString::fromStdString(spec.tensor), view.subtitle()}).join("  ").trimmed();
    page.titleHeight = lineHeight(TextRole::Heading) + Theme::px(8);
    page.footLine = lineHeight(TextRole::Caption);
    QString foot;
    if (!spec.schemeA.empty()) {
        foot += "A  " + QString::fromStdString(spec.schemeA) + "    ";
    }
    if (!spec.schemeB.empty()) {
        foot += "B  " + QString::fromStdString(spec.schemeB) + "    ";
    }
    if (!foot.isEmpty()) {
        page.foot << foot.trimmed();
    }
    page.foot << QFileInfo(QString::fromStdString(spec.source)).fileName() +
                     QString("  Tensorloupe %1").arg(kVersion);
    return page;
}

void paintPage(View& view, QPainter& painter, const Page& page) {
    const Theme& theme = Theme::current();
    painter.setRenderHints(QPainter::Antialiasing | QPainter::TextAntialiasing);
    painter.fillRect(QRectF(QPointF(), page.size()), theme.canvas);
    double y = page.margin;
    if (!page.title.isEmpty()) {
        const double height = page.titleHeight - Theme::px(8);
        const double width = textWidth(page.title, TextRole::Heading);
        drawTextLine(painter,
                     QRectF(page.margin, y, page.picture.width(), height),
                     Qt::AlignLeft,
                     page.title,
                     TextRole::Heading,
                     theme.text);
        const double left = page.margin + width + Theme::px(10);
        const double room = page.margin + page.picture.width() - left;
        const QString subtitle = QFontMetricsF(Theme::font(TextRole::Small))
                                     .elidedText(page.subtitle, Qt::ElideMiddle, room);
        drawTextLine(painter,
                     QRectF(left, y, room, height),
                     Qt::AlignLeft,
                     subtitle,
                     TextRole::Small,
                     theme.text3);
        y += page.titleHeight;
    }
    painter.save();
    view.paintExport(painter, QRectF(QPointF(page.margin, y), page.picture));
    painter.restore();
    y += page.picture.height();
    for (const QString& line : page.foot) {
        drawTextLine(painter,
                     QRectF(page.margin, y + Theme::px(2), page.picture.width(), page.footLine),
                     Qt::AlignLeft,
                     QFontMetricsF(Theme::font(TextRole::Caption))
                         .elidedText(line, Qt::ElideMiddle, page.picture.width()),
                     TextRole::Caption,
                     theme.text3);
        y += page.footLine;
    }
}

QString metadataText(View& view) {
    QStringList lines;
    for (const auto& [key, value] : exportMetadata(view)) {
        lines << key + ": " + value;
    }
    return lines.join("\n");
}

QImage renderPage(View& view, const ExportOptions& options) {
    const ThemeScope scope(options.theme);
    const Page page = layoutPage(view, options);
    const QSize pixels = (page.size() * options.scale).toSize();
    if (pixels.width() > 32767 || pixels.height() > 32767) {
        return {};
    }
    QImage image(pixels, QImage::Format_RGB32);
    if (image.isNull()) {
        return image;
    }
    image.setDevicePixelRatio(options.scale);
    QPainter painter(&image);
    paintPage(view, painter, page);
    painter.end();
    for (const auto& [key, value] : exportMetadata(view)) {
        image.setText(key, value);
    }
    return image;
}

void writeSvg(View& view, const ExportOptions& options, QIODevice& device) {
    const ThemeScope scope(options.theme);
    const Page page = layoutPage(view, options);
    QSvgGenerator generator;
    generator.setOutputDevice(&device);
    generator.setResolution(96);
    generator.setSize(page.size().toSize());
    generator.setViewBox(QRectF(QPointF(), page.size()));
    generator.setTitle(viewTitle(view));
    generator.setDescription(metadataText(view));
    QPainter painter(&generator);
    paintPage(view, painter, page);
}

bool writePdf(View& view, const ExportOptions& options, QIODevice& device) {
    const ThemeScope scope(options.theme);
    const Page page = layoutPage(view, options);
    QPdfWriter writer(&device);
    constexpr int kDotsPerInch = 1200;
    writer.setResolution(kDotsPerInch);
    // A logical pixel is 1/96 inch, a point 1/72.
    writer.setPageSize(QPageSize(page.size() * 0.75, QPageSize::Point, {}, QPageSize::ExactMatch));
    writer.setPageMargins(QMarginsF(), QPageLayout::Point);
    writer.setTitle(viewTitle(view) + ". " + metadataText(view).replace("\n", "; "));
    writer.setCreator(QString("Tensorloupe %1").arg(kVersion));
    QPainter painter;
    if (!painter.begin(&writer)) {
        return false;
    }
    painter.scale(kDotsPerInch / 96.0, kDotsPerInch / 96.0);
    paintPage(view, painter, page);
    return painter.end();
}

/// Runs `write` on a temporary file that replaces `path` when all went well.
bool save(const QString& path, const std::function<bool(QIODevice&)>& write, QString* problem) {
    QSaveFile file(path);
    bool done = file.open(QIODevice::WriteOnly);
    done = done && write(file);
    if (!done) {
        file.cancelWriting();
    }
    done = file.commit() && done;
    if (!done && problem != nullptr) {
        *problem = QObject::tr("Cannot write %1: %2.").arg(path, file.errorString());
    }
    return done;
}

}  // namespace

QList<QPair<QString, QString>> exportMetadata(View& view) {
    const ExperimentSpec spec = specOf(view);
    return {{"Title", viewTitle(view)},
            {"Software", QString("Tensorloupe %1").arg(kVersion)},
            {"Source", QString::fromStdString(spec.source)},
            {"Tensor", QString::fromStdString(spec.tensor)},
            {"Scheme A", schemeText(QString::fromStdString(spec.schemeA))},
            {"Scheme B", schemeText(QString::fromStdString(spec.schemeB))}};
}

QString csvFromTsv(const QString& tsv) {
    QString csv;
    csv.reserve(tsv.size());
    const QStringList lines = tsv.split('\n');
    for (qsizetype i = 0; i < lines.size(); ++i) {
        QStringList cells = lines[i].split('\t');
        for (QString& cell : cells) {
            if (cell.contains(',') || cell.contains('"')) {
                cell = '"' + cell.replace("\"", "\"\"") + '"';
            }
        }
        csv += cells.join(',');
        if (i + 1 < lines.size()) {
            csv += '\n';
        }
    }
    return csv;
}

bool exportView(View& view, const QString& path, const ExportOptions& options, QString* problem) {
    const QString suffix = QFileInfo(path).suffix().toLower();
    const auto refuse = [problem](const QString& why) {
        if (problem != nullptr) {
            *problem = why;
        }
        return false;
    };
    if (suffix == "csv" || suffix == "tsv") {
        const QString text = view.copyText();
        if (text.isEmpty()) {
            return refuse(QObject::tr("There are no numbers to write: the view is empty."));
        }
        const QByteArray bytes = (suffix == "csv" ? csvFromTsv(text) : text).toUtf8();
        return save(
            path, [&](QIODevice& device) { return device.write(bytes) == bytes.size(); }, problem);
    }
    if (!QStringList({"png", "svg", "pdf"}).contains(suffix)) {
        return refuse(
            QObject::tr("Cannot write %1: the name should end in .png, .svg, .pdf, .csv or .tsv.")
                .arg(path));
    }
    if (!view.canExport()) {
        return refuse(QObject::tr(
            "This panel is not a picture; its numbers can be written as .csv or .tsv."));
    }
    if (suffix == "png") {
        const QImage image = renderPage(view, options);
        if (image.isNull()) {
            return refuse(QObject::tr("The picture is too large: at most 32 767 pixels each way."));
        }
        return save(
            path, [&](QIODevice& device) { return image.save(&device, "PNG"); }, problem);
    }
    // Through memory: the generators do not report a full disk, QSaveFile does.
    QBuffer buffer;
    buffer.open(QIODevice::WriteOnly);
    if (suffix == "svg") {
        writeSvg(view, options, buffer);
    } else if (!writePdf(view, options, buffer)) {
        return refuse(QObject::tr("The PDF could not be drawn."));
    }
    const QByteArray bytes = buffer.data();
    return save(
        path, [&](QIODevice& device) { return device.write(bytes) == bytes.size(); }, problem);
}

QImage renderView(View& view, const ExportOptions& options) {
    return renderPage(view, options);
}

void copyPicture(View& view, const ExportOptions& options) {
    QApplication::clipboard()->setImage(renderPage(view, options));
}

}  // namespace loupe::app
