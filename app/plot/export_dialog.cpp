// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/export.hpp"
#include "app/views/view.hpp"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QRegularExpression>
#include <QSettings>
#include <QSpinBox>
#include <QStandardPaths>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

ExportDialog::ExportDialog(View& view, QWidget* parent) : QDialog(parent), m_view(view) {
    setWindowTitle(tr("Export"));
    m_kind = new QComboBox;
    if (view.canExport()) {
        m_kind->addItem(tr("PNG image"), "png");
        m_kind->addItem(tr("SVG drawing, text stays text"), "svg");
        m_kind->addItem(tr("PDF page, vectors"), "pdf");
    }
    m_kind->addItem(tr("CSV, the numbers behind it"), "csv");
    m_kind->addItem(tr("TSV, the numbers behind it"), "tsv");
    m_theme = new QComboBox;
    m_theme->addItem(tr("Light"), int(ThemeId::Light));
    m_theme->addItem(tr("Projector"), int(ThemeId::Projector));
    m_theme->addItem(tr("As on screen"), -1);
    m_width = new QSpinBox;
    m_height = new QSpinBox;
    const QSizeF size = view.exportSize();
    for (QSpinBox* box : {m_width, m_height}) {
        box->setRange(16, 8192);
        box->setSuffix(tr(" px"));
    }
    m_width->setValue(int(size.width()));
    m_height->setValue(int(size.height()));
    m_width->setAccessibleName(tr("Width"));
    m_height->setAccessibleName(tr("Height"));
    m_scale = new QComboBox;
    for (const int scale : {1, 2, 3, 4}) {
        m_scale->addItem(tr("%1 ×").arg(scale), scale);
    }
    m_scale->setCurrentIndex(1);
    auto* sizes = new QHBoxLayout;
    sizes->addWidget(m_width);
    sizes->addWidget(new QLabel(QStringLiteral("×")));
    sizes->addWidget(m_height);
    sizes->addStretch();
    auto* form = new QFormLayout;
    form->addRow(tr("As"), m_kind);
    form->addRow(tr("Colours"), m_theme);
    form->addRow(tr("Size"), sizes);
    form->addRow(tr("Pixels"), m_scale);
    m_preview = new QLabel;
    m_preview->setAlignment(Qt::AlignCenter);
    m_preview->setMinimumSize(360, 240);
    m_preview->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Ignored);
    m_preview->setFrameShape(QFrame::StyledPanel);
    m_preview->setAccessibleName(tr("Preview"));
    m_facts = new QLabel;
    m_facts->setWordWrap(true);
    m_problem = new QLabel;
    m_problem->setWordWrap(true);
    m_problem->setObjectName("problem");
    m_problem->hide();
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Cancel);
    QPushButton* write = buttons->addButton(tr("Export…"), QDialogButtonBox::AcceptRole);
    QPushButton* copy = buttons->addButton(tr("Copy picture"), QDialogButtonBox::ActionRole);
    copy->setEnabled(view.canExport());
    write->setDefault(true);
    auto* left = new QVBoxLayout;
    left->addLayout(form);
    left->addWidget(m_facts);
    left->addStretch();
    auto* top = new QHBoxLayout;
    top->addLayout(left);
    top->addWidget(m_preview, 1);
    auto* all = new QVBoxLayout(this);
    all->addLayout(top, 1);
    all->addWidget(m_problem);
    all->addWidget(buttons);
    connect(write, &QPushButton::clicked, this, &ExportDialog::askAndExport);
    connect(copy, &QPushButton::clicked, this, [this] {
        copyPicture(m_view, options());
        accept();
    });
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    for (QComboBox* box : {m_kind, m_theme, m_scale}) {
        connect(box, &QComboBox::currentIndexChanged, this, &ExportDialog::updatePreview);
    }
    for (QSpinBox* box : {m_width, m_height}) {
        connect(box, &QSpinBox::valueChanged, this, &ExportDialog::updatePreview);
    }
    resize(Theme::px(860), Theme::px(460));
    updatePreview();
}

QString ExportDialog::kind() const {
    return m_kind->currentData().toString();
}

ExportOptions ExportDialog::options() const {
    ExportOptions options;
    const int theme = m_theme->currentData().toInt();
    options.theme = theme < 0 ? std::nullopt : std::optional(ThemeId(theme));
    options.size = QSizeF(m_width->value(), m_height->value());
    options.scale = m_scale->currentData().toDouble();
    return options;
}

bool ExportDialog::exportTo(const QString& path) {
    QString problem;
    if (exportView(m_view, path, options(), &problem)) {
        accept();
        return true;
    }
    m_problem->setText(problem);
    m_problem->show();
    return false;
}

void ExportDialog::askAndExport() {
    const QString suffix = kind();
    QString path = QFileDialog::getSaveFileName(
        this, tr("Export"), suggestedPath(), QString("%1 (*.%2)").arg(suffix.toUpper(), suffix));
    if (path.isEmpty()) {
        return;
    }
    if (QFileInfo(path).suffix().toLower() != suffix) {
        path += "." + suffix;
    }
    if (exportTo(path)) {
        QSettings().setValue("export/folder", QFileInfo(path).absolutePath());
    }
}

QString ExportDialog::suggestedPath() const {
    const QString folder =
        QSettings()
            .value("export/folder",
                   QStandardPaths::writableLocation(QStandardPaths::PicturesLocation))
            .toString();
    QString name =
        QString::fromStdString(m_view.document().spec().tensor) + "-" + m_view.objectName();
    name.replace(QRegularExpression("[^A-Za-z0-9._-]+"), "-");
    return QDir(folder).filePath(name + "." + kind());
}

void ExportDialog::resizeEvent(QResizeEvent* event) {
    QDialog::resizeEvent(event);
    updatePreview();
}

void ExportDialog::updatePreview() {
    const bool picture = kind() != "csv" && kind() != "tsv";
    m_theme->setEnabled(picture);
    m_width->setEnabled(picture);
    m_height->setEnabled(picture);
    m_scale->setEnabled(kind() == "png");
    if (!picture) {
        const QStringList lines = m_view.copyText().split('\n', Qt::SkipEmptyParts);
        m_preview->setFont(Theme::font(TextRole::Number));
        m_preview->setText(lines.mid(0, 12).join("\n") + (lines.size() > 12 ? "\n…" : ""));
        m_facts->setText(tr("%1 rows").arg(formatCount(std::max<qsizetype>(0, lines.size() - 1))));
        return;
    }
    ExportOptions small = options();
    const QSizeF room = QSizeF(m_preview->contentsRect().size()) - QSizeF(8, 8);
    const double fit = std::min(room.width() / (small.size.width() + 24),
                                room.height() / (small.size.height() + 70));
    small.scale = std::clamp(fit, 0.05, 1.0) * devicePixelRatioF();
    QImage image = renderView(m_view, small);
    image.setDevicePixelRatio(devicePixelRatioF());
    m_preview->setPixmap(QPixmap::fromImage(image));
    const QSizeF size = options().size * options().scale;
    m_facts->setText(
        kind() == "png"
            ? tr("%1 × %2 pixels and title. Schemes and version are written into the file.")
                  .arg(int(size.width()))
                  .arg(int(size.height()))
            : tr("Schemes and version are written into the file."));
}

}  // namespace loupe::app
