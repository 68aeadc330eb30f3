// SPDX-License-Identifier: GPL-3.0-or-later
// Memory: what a model needs, and on what it fits.
#include "app/plot/plot_style.hpp"
#include "app/widgets/context_row.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/quiet_end.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/memory/byte_bars.hpp"
#include "app/workspaces/memory/device_text.hpp"
#include "app/workspaces/memory/memory_form.hpp"
#include "app/workspaces/memory/memory_model.hpp"
#include "app/workspaces/memory/side_panels.hpp"
#include "app/workspaces/workspace.hpp"

#include <QPainter>
#include <QScrollArea>
#include <QSplitter>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

constexpr int kWidthM = 1500;
constexpr int kWidthL = 2300;

class MemoryPage : public WorkspacePage {
    Q_OBJECT

public:
    MemoryPage(Document& document, QWidget* parent);

    [[nodiscard]] QWidget* contextBar() override { return m_bar; }
    [[nodiscard]] bool busy() const override { return m_model->busy(); }
    void resetLayout() override;
    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override { return m_model->save(); }
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return m_model->estimate().has_value(); }
    void paintExport(QPainter& painter, const QRectF& target) override {
        m_bars->layOut(&painter, target);
    }
    [[nodiscard]] QSizeF exportSize() const override;

protected:
    void showEvent(QShowEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void showSubject();
    void arrange();
    void applyWidths();

    MemoryModel* m_model = nullptr;
    SubjectRow* m_bar = nullptr;
    QSplitter* m_columns = nullptr;
    QSplitter* m_centre = nullptr;
    ByteBars* m_bars = nullptr;
    MemoryTabs* m_tabs = nullptr;
    bool m_moved = false;  ///< a divider, by hand
    bool m_small = false;
    bool m_arranged = false;
    bool m_restored = false;
    QuietEnd m_end{this};
};

MemoryPage::MemoryPage(Document& document, QWidget* parent) : WorkspacePage(document, parent) {
    setWindowTitle(tr("Memory"));
    setProperty("loupeStandsAlone", true);
    m_model = new MemoryModel(document, this);
    m_bar = new SubjectRow;
    m_bar->setAccessibleName(tr("What is calculated"));
    showSubject();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    m_columns = new QSplitter(Qt::Horizontal, this);
    m_columns->setChildrenCollapsible(false);
    layout->addWidget(m_columns);
    const auto scrolled = [this](QWidget* content, bool canvas) {
        auto* area = new QScrollArea(m_columns);
        area->setFrameShape(QFrame::NoFrame);
        area->setWidgetResizable(true);
        area->setFocusPolicy(Qt::NoFocus);
        area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        area->setWidget(content);
        area->viewport()->setBackgroundRole(canvas ? QPalette::Base : QPalette::Window);
        content->setAutoFillBackground(false);
        return area;
    };
    auto* form = new MemoryForm(*m_model);
    m_columns->addWidget(scrolled(form, false));
    m_centre = new QSplitter(Qt::Vertical, m_columns);
    m_centre->setChildrenCollapsible(false);
    m_bars = new ByteBars(*m_model);
    m_centre->addWidget(scrolled(m_bars, true));
    m_tabs = new MemoryTabs(*m_model, m_columns);
    m_columns->setStretchFactor(1, 1);
    connect(m_columns, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    connect(m_model, &MemoryModel::changed, this, [this] {
        showSubject();
        setSubtitle(m_bar->subject());
        setReadout(m_bars->describe().toHtmlEscaped());
    });
    connect(m_model, &MemoryModel::deviceChanged, this, [this] {
        setReadout(m_bars->describe().toHtmlEscaped());
    });
    setReadout(m_bars->describe().toHtmlEscaped());
    setSubtitle(m_bar->subject());
}

void MemoryPage::showSubject() {
    const MemorySettings& settings = m_model->settings();
    const MemorySubject& subject = m_model->subject();
    const WeightFormat* format = m_model->format();
    QString facts = format != nullptr ? toQString(format->title) : tr("as stored");
    if (subject.shape) {
        facts += tr(" · %1 tokens").arg(formatCount(settings.context));
        if (settings.batch > 1) {
            facts += tr(" × %1").arg(formatCount(settings.batch));
        }
    }
    m_bar->setSubject(m_model->hasSubject() ? QString::fromStdString(subject.title) : tr("Memory"),
                      facts);
}

void MemoryPage::refresh(Changes what) {
    if (what & Changes(Change::Source)) {
        const bool first = document().source() != nullptr && !m_restored;
        m_restored = m_restored || first;
        if (first) {  // a checkpoint that is open is what one asks about
            MemorySettings settings = m_model->settings();
            settings.model = QStringLiteral("open");
            settings.format = QStringLiteral("stored");
            m_model->change(settings);
        }
        m_model->sourceChanged();
    }
}

void MemoryPage::restore(const QJsonObject& state) {
    m_restored = !state.isEmpty();
    m_model->restore(state);
}

void MemoryPage::resetLayout() {
    m_arranged = false;
    m_moved = false;
    arrange();
    applyWidths();
}

/// In a small window the table goes under the bars.
void MemoryPage::arrange() {
    const bool small = width() / Theme::fontScale() < kWidthM;
    if (m_arranged && small == m_small) {
        return;
    }
    m_arranged = true;
    m_small = small;
    (small ? m_centre : m_columns)->addWidget(m_tabs);
    m_tabs->show();
    m_columns->setStretchFactor(1, 1);
    m_centre->setSizes({height() * 74 / 100, height() * 26 / 100});
    m_moved = false;
}

void MemoryPage::applyWidths() {
    if (m_moved) {
        return;
    }
    const double wide = width() / Theme::fontScale();
    const int left = std::min(Theme::px(wide < kWidthM   ? 280
                                        : wide < kWidthL ? 320
                                                         : 380),
                              width() * 35 / 100);
    const int right = m_small ? 0 : std::min(Theme::px(wide < kWidthL ? 420 : 500), width() / 3);
    QList<int> sizes{left, std::max(1, width() - left - right)};
    if (!m_small) {
        sizes << right;
    }
    m_columns->setSizes(sizes);
}

QString MemoryPage::copyText() const {
    return m_bars->copyText() + QLatin1Char('\n') + m_tabs->formats()->copyText();
}

QSizeF MemoryPage::exportSize() const {
    const double width = Theme::px(860);
    return {width, m_bars->layOut(nullptr, QRectF(0, 0, width, 4000))};
}

void MemoryPage::showEvent(QShowEvent* event) {
    WorkspacePage::showEvent(event);
    arrange();
    applyWidths();
}

void MemoryPage::resizeEvent(QResizeEvent* event) {
    WorkspacePage::resizeEvent(event);
    arrange();
    applyWidths();
}

}  // namespace

extern const WorkspaceDefinition kWorkspace_memory;
const WorkspaceDefinition kWorkspace_memory{
    "memory",
    QT_TRANSLATE_NOOP("Workspace", "Memory"),
    [](Document& document, QWidget* parent) -> WorkspacePage* {
        return new MemoryPage(document, parent);
    }};

}  // namespace loupe::app

#include "memory.moc"
