// SPDX-License-Identifier: GPL-3.0-or-later
// Atlas: the whole checkpoint at once, by layer and role.
#include "app/plot/heatmap.hpp"
#include "app/widgets/context_row.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/quiet_end.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/atlas_model.hpp"
#include "app/workspaces/atlas/atlas_pane.hpp"
#include "app/workspaces/atlas/atlas_picture.hpp"
#include "app/workspaces/atlas/compare_pane.hpp"
#include "app/workspaces/atlas/compare_table.hpp"
#include "app/workspaces/atlas/treemap_bar.hpp"
#include "app/workspaces/workspace.hpp"
#include "core/base/units.hpp"

#include <QHBoxLayout>
#include <QStackedWidget>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

class AtlasPage : public WorkspacePage {
    Q_OBJECT

public:
    AtlasPage(Document& document, QWidget* parent);

    [[nodiscard]] QWidget* contextBar() override { return m_bar; }
    [[nodiscard]] bool busy() const override {
        return m_model->busy() || (isTreemap() && m_atlas->treemap().busy()) ||
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
        return isCompare() ? m_compare->table().copyText() : m_model->copyText();
    }
    [[nodiscard]] bool canExport() const override {
        return m_model->layout() != nullptr &&
               (!isCompare() || m_compare->model().plane() != nullptr);
    }
    void paintExport(QPainter& painter, const QRectF& target) override {
        if (isCompare()) {
            m_compare->paintExport(painter, target);
        } else {
            m_atlas->paintExport(painter, target);
        }
    }
    [[nodiscard]] QSizeF exportSize() const override;

private:
    void showPart(const QString& id);
    [[nodiscard]] bool isCompare() const { return m_stack->currentWidget() == m_compare; }
    [[nodiscard]] bool isTreemap() const { return !isCompare() && m_atlas->isTreemap(); }
    void showSubject();

    AtlasModel* m_model = nullptr;
    SubjectRow* m_bar = nullptr;
    SegmentedControl* m_parts = nullptr;
    QStackedWidget* m_stack = nullptr;
    AtlasPane* m_atlas = nullptr;
    ComparePane* m_compare = nullptr;
    QuietEnd m_end{this};
};

AtlasPage::AtlasPage(Document& document, QWidget* parent) : WorkspacePage(document, parent) {
    setWindowTitle(tr("Atlas"));
    m_model = new AtlasModel(document, this);
    m_bar = new SubjectRow;
    m_bar->setAccessibleName(tr("Atlas"));
    m_parts = new SegmentedControl(m_bar);
    m_parts->setCompact(true);
    m_parts->setAccessibleName(tr("What is shown"));
    m_bar->row()->addWidget(m_parts);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    m_stack = new QStackedWidget(this);
    layout->addWidget(m_stack);
    m_atlas = new AtlasPane(*m_model, m_stack);
    m_stack->addWidget(m_atlas);
    m_compare = new ComparePane(document, m_stack);
    m_stack->addWidget(m_compare);
    m_parts->setOptions({{QStringLiteral("atlas"),
                           tr("Layers × roles"),
                           tr("A cell for each layer and role, coloured by a metric")},
                               {QStringLiteral("bytes"),
                           tr("Where the bytes go"),
                           tr("A rectangle for each tensor, as large as what it takes")},
                               {QStringLiteral("compare"),
                           tr("Compare two"),
                           tr("A second checkpoint beside this one: what differs")}});
    m_parts->setCurrent(QStringLiteral("atlas"));
    connect(m_parts, &SegmentedControl::chosen, this, &AtlasPage::showPart);
    connect(m_atlas, &AtlasPane::readoutChanged, this, [this](const QString& html) {
        setReadout(html);
    });
    connect(m_compare, &ComparePane::readoutChanged, this, [this](const QString& html) {
        setReadout(html);
    });
    connect(m_model, &AtlasModel::layoutChanged, this, &AtlasPage::showSubject);
    showSubject();
}

void AtlasPage::showSubject() {
    const std::shared_ptr<const TensorSource>& source = m_model->source();
    m_bar->setSubject(
        source ? QString::fromStdString(source->info().title) : tr("Atlas"),
        source ? tr("%1 tensors · %2")
                     .arg(formatCount(static_cast<qint64>(source->tensors().size())),
                          QString::fromStdString(
                              decimalBytes(static_cast<double>(source->info().bytes))))
               : QString());
    setSubtitle(m_bar->subject());
}

void AtlasPage::showPart(const QString& id) {
    m_parts->setCurrent(id);
    m_atlas->showTreemap(id == QLatin1String("bytes"));
    m_stack->setCurrentWidget(id == QLatin1String("compare") ? static_cast<QWidget*>(m_compare)
                                                             : m_atlas);
    setReadout({});
}

QJsonObject AtlasPage::save() const {
    QJsonObject state = m_model->save();
    state[QStringLiteral("part")] = m_parts->current();
    state[QStringLiteral("treemap")] = m_atlas->treemapBar().save();
    state[QStringLiteral("compare")] = m_compare->save();
    return state;
}

void AtlasPage::restore(const QJsonObject& state) {
    m_model->restore(state);
    m_atlas->treemapBar().restore(state[QStringLiteral("treemap")].toObject());
    m_compare->restore(state[QStringLiteral("compare")].toObject());
    const QString part = state[QStringLiteral("part")].toString();
    showPart(part.isEmpty() ? QStringLiteral("atlas") : part);
}

QSizeF AtlasPage::exportSize() const {
    if (isCompare()) {
        return QSizeF(m_compare->picture().width() + Theme::px(120), m_compare->picture().height());
    }
    return m_atlas->exportSize();
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
