// SPDX-License-Identifier: GPL-3.0-or-later
// Atlas: the whole checkpoint at once, by layer and role.
#include "app/plot/heatmap.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/atlas_model.hpp"
#include "app/workspaces/atlas/atlas_pane.hpp"
#include "app/workspaces/atlas/atlas_picture.hpp"
#include "app/workspaces/atlas/compare_pane.hpp"
#include "app/workspaces/atlas/compare_table.hpp"
#include "app/workspaces/atlas/treemap_view.hpp"
#include "app/workspaces/workspace.hpp"
#include "core/base/units.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QStackedWidget>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

/// The context bar: what is open, and which of the pictures is shown.
class AtlasBar : public QWidget {
    Q_OBJECT

public:
    explicit AtlasBar(AtlasModel& model) : m_model(model) {
        setAccessibleName(tr("Atlas"));
        setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
        auto* layout = new QHBoxLayout(this);
        layout->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
        layout->setSpacing(Theme::px(8));
        m_title = new QLabel(this);
        setTextRole(m_title, TextRole::Heading);
        layout->addWidget(m_title);
        m_facts = new FactChip({}, this);
        layout->addWidget(m_facts);
        layout->addStretch(1);
        m_parts = new SegmentedControl(this);
        m_parts->setCompact(true);
        m_parts->setAccessibleName(tr("What is shown"));
        layout->addWidget(m_parts);
        connect(&model, &AtlasModel::layoutChanged, this, &AtlasBar::refresh);
        refresh();
    }
    [[nodiscard]] SegmentedControl& parts() { return *m_parts; }
    [[nodiscard]] QString facts() const {
        return m_title->text() + QStringLiteral(", ") + m_facts->text();
    }
    [[nodiscard]] QSize sizeHint() const override { return {Theme::px(600), Theme::px(40)}; }
    [[nodiscard]] QSize minimumSizeHint() const override { return {Theme::px(320), Theme::px(40)}; }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.fillRect(rect(), Theme::current().panel);
        painter.setPen(Theme::current().line);
        painter.drawLine(0, height() - 1, width(), height() - 1);
    }

private:
    void refresh() {
        const std::shared_ptr<const TensorSource>& source = m_model.source();
        m_title->setText(source ? QString::fromStdString(source->info().title) : tr("Atlas"));
        m_facts->setVisible(source != nullptr);
        if (source) {
            m_facts->setText(tr("%1 tensors · %2")
                                 .arg(formatCount(static_cast<qint64>(source->tensors().size())),
                                      QString::fromStdString(decimalBytes(
                                          static_cast<double>(source->info().bytes)))));
        }
    }

    AtlasModel& m_model;
    QLabel* m_title = nullptr;
    FactChip* m_facts = nullptr;
    SegmentedControl* m_parts = nullptr;
};

class AtlasPage : public WorkspacePage {
    Q_OBJECT

public:
    AtlasPage(Document& document, QWidget* parent);
    ~AtlasPage() override { disconnect(m_model, nullptr, this, nullptr); }

    [[nodiscard]] QWidget* contextBar() override { return m_bar; }
    [[nodiscard]] bool busy() const override {
        return m_model->busy() || (isTreemap() && m_treemap->picture().busy()) ||
               (isCompare() && m_compare->model().busy());
    }
    void resetLayout() override {
        m_atlas->resetLayout();
        m_compare->resetLayout();
    }
    void refresh(Changes what) override {
        m_model->refresh(what);
        m_compare->model().sourceChanged();
    }
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override {
        return isTreemap()   ? m_treemap->picture().copyText()
               : isCompare() ? m_compare->table().copyText()
                             : m_model->copyText();
    }
    [[nodiscard]] bool canExport() const override {
        return m_model->layout() != nullptr &&
               (!isCompare() || m_compare->model().plane() != nullptr);
    }
    void paintExport(QPainter& painter, const QRectF& target) override {
        if (isTreemap()) {
            m_treemap->picture().paintExport(painter, target);
        } else if (isCompare()) {
            m_compare->paintExport(painter, target);
        } else {
            m_atlas->paintExport(painter, target);
        }
    }
    [[nodiscard]] QSizeF exportSize() const override;

private:
    void showPart(const QString& id);
    [[nodiscard]] bool isCompare() const { return m_stack->currentWidget() == m_compare; }
    [[nodiscard]] bool isTreemap() const { return m_stack->currentWidget() == m_treemap; }

    AtlasModel* m_model = nullptr;
    AtlasBar* m_bar = nullptr;
    QStackedWidget* m_stack = nullptr;
    AtlasPane* m_atlas = nullptr;
    TreemapPane* m_treemap = nullptr;
    ComparePane* m_compare = nullptr;
};

AtlasPage::AtlasPage(Document& document, QWidget* parent) : WorkspacePage(document, parent) {
    setWindowTitle(tr("Atlas"));
    m_model = new AtlasModel(document, this);
    m_bar = new AtlasBar(*m_model);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    m_stack = new QStackedWidget(this);
    layout->addWidget(m_stack);
    m_atlas = new AtlasPane(*m_model, m_stack);
    m_treemap = new TreemapPane(*m_model, m_stack);
    m_stack->addWidget(m_atlas);
    m_stack->addWidget(m_treemap);
    m_compare = new ComparePane(document, m_stack);
    m_stack->addWidget(m_compare);
    m_bar->parts().setOptions({{QStringLiteral("atlas"), tr("Layers × roles"), {}},
                               {QStringLiteral("bytes"), tr("Where the bytes go"), {}},
                               {QStringLiteral("compare"), tr("Compare two"), {}}});
    m_bar->parts().setCurrent(QStringLiteral("atlas"));
    connect(&m_bar->parts(), &SegmentedControl::chosen, this, &AtlasPage::showPart);
    connect(m_atlas, &AtlasPane::readoutChanged, this, [this](const QString& html) {
        setReadout(html);
    });
    connect(m_treemap, &TreemapPane::readoutChanged, this, [this](const QString& html) {
        setReadout(html);
    });
    connect(m_compare, &ComparePane::readoutChanged, this, [this](const QString& html) {
        setReadout(html);
    });
    connect(m_model, &AtlasModel::layoutChanged, this, [this] { setSubtitle(m_bar->facts()); });
}

void AtlasPage::showPart(const QString& id) {
    m_bar->parts().setCurrent(id);
    QWidget* pane = m_atlas;
    if (id == QLatin1String("bytes")) {
        pane = m_treemap;
    } else if (id == QLatin1String("compare")) {
        pane = m_compare;
    }
    m_stack->setCurrentWidget(pane);
    setReadout({});
}

QJsonObject AtlasPage::save() const {
    QJsonObject state = m_model->save();
    state[QStringLiteral("part")] = m_bar->parts().current();
    state[QStringLiteral("treemap")] = m_treemap->save();
    state[QStringLiteral("compare")] = m_compare->save();
    return state;
}

void AtlasPage::restore(const QJsonObject& state) {
    m_model->restore(state);
    m_treemap->restore(state[QStringLiteral("treemap")].toObject());
    m_compare->restore(state[QStringLiteral("compare")].toObject());
    const QString part = state[QStringLiteral("part")].toString();
    showPart(part.isEmpty() ? QStringLiteral("atlas") : part);
}

QSizeF AtlasPage::exportSize() const {
    if (isTreemap()) {
        return m_treemap->picture().size();
    }
    if (isCompare()) {
        return QSizeF(m_compare->picture().width() + Theme::px(120), m_compare->picture().height());
    }
    const double width = std::max(Theme::px(720), m_atlas->picture().width() + Theme::px(90));
    return {width, m_atlas->exportHeight(width)};
}

}  // namespace

extern const WorkspaceDefinition kWorkspace_atlas;
const WorkspaceDefinition kWorkspace_atlas{
    "atlas",
    QT_TRANSLATE_NOOP("Workspace", "Atlas"),
    [](Document& document, QWidget* parent) -> WorkspacePage* {
        return new AtlasPage(document, parent);
    }};

}  // namespace loupe::app

#include "atlas.moc"
