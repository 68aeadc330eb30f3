// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/atlas/atlas_layout.hpp"
#include "app/workspaces/atlas/atlas_metrics.hpp"
#include "app/workspaces/atlas/scheme_runs.hpp"
#include "app/workspaces/atlas/tensor_csv.hpp"

#include <QJsonObject>
#include <QObject>
#include <QTimer>

#include <memory>
#include <optional>
#include <vector>

namespace loupe::app {

/// What is known of one metric, by tensor and by cell.
struct AtlasValues {
    /// Of a tensor one of them; of a cell all that hold for its tensors.
    enum State : std::uint8_t {
        kKnown = 1,
        kPending = 2,
        kFailed = 4,
        kNone = 8,      ///< the metric says nothing of such a tensor
        kSampled = 16,  ///< has an estimate from some rows; the exact value is still to come
    };
    /// There is a number, exact or an estimate.
    [[nodiscard]] static bool hasValue(std::uint8_t state) {
        return (state & (kKnown | kSampled)) != 0;
    }
    std::vector<double> tensor;
    std::vector<std::uint8_t> tensorState;
    std::vector<double> cell;  ///< pooled over its tensors that have a value
    std::vector<std::uint8_t> cellState;
    std::vector<std::int32_t> cellTensor;  ///< the one that the cell shows; of a sum the largest
    double least = 0, most = 0;            ///< of finite cells
    double leastPositive = 0;              ///< 0: none
    std::uint64_t nan = 0, inf = 0;        ///< cells
    std::size_t known = 0, sampled = 0, pending = 0, failed = 0;  ///< tensors
};

struct AtlasThreshold {
    bool on = false;
    bool above = true;
    double value = 0;
    friend bool operator==(const AtlasThreshold&, const AtlasThreshold&) = default;
};

/// The state of the Atlas: which metric, what is known of it, what a threshold flags, which cell is
/// selected. UI thread only; nothing here takes longer than some milliseconds for 100,000 tensors.
class AtlasModel : public QObject {
    Q_OBJECT

public:
    explicit AtlasModel(Document& document, QObject* parent = nullptr);
    ~AtlasModel() override;

    [[nodiscard]] Document& document() const { return m_document; }
    /// Null while the names are sorted, and where nothing is open.
    [[nodiscard]] const std::shared_ptr<const AtlasLayout>& layout() const { return m_layout; }
    /// The source that layout() belongs to.
    [[nodiscard]] const std::shared_ptr<const TensorSource>& source() const { return m_source; }

    [[nodiscard]] std::vector<AtlasMetric> metrics() const;
    [[nodiscard]] const AtlasMetric& metric() const { return m_metric; }
    void chooseMetric(const QString& id);
    [[nodiscard]] const AtlasValues& values() const { return m_values; }
    /// A scheme metric without a scheme, and the like; empty: fine.
    [[nodiscard]] QString problem() const;
    /// Why a tensor has no value: its error.
    [[nodiscard]] QString failure(std::size_t tensor) const;
    /// "42 of 1 536 rows": what an estimate is from; empty: the value is exact, or there is none.
    [[nodiscard]] QString sampleText(std::size_t tensor) const;
    /// The value as it is shown, an estimate marked as one: "≈ 3.2", "≥ 0.7".
    [[nodiscard]] QString valueText(std::size_t tensor) const;

    /// " · has NaN: 3 weights": what the scan found odd, for the end of a sentence.
    [[nodiscard]] QString flagText(std::size_t tensor) const;

    [[nodiscard]] const AtlasThreshold& threshold() const { return m_threshold; }
    void setThreshold(const AtlasThreshold& threshold);
    [[nodiscard]] bool isFlagged(double value) const;
    /// A cell of which one tensor at least is flagged.
    [[nodiscard]] bool isCellFlagged(std::size_t cell) const;

    [[nodiscard]] std::optional<std::size_t> selected() const { return m_selected; }
    /// Selects a tensor (and its cell) in the Atlas; the document's selection stays.
    void select(std::optional<std::size_t> tensor);
    /// Selects the tensor in the document and goes to Inspect. @param from  a widget of the window
    void open(std::size_t tensor, QWidget* from);

    [[nodiscard]] SchemeRuns& runs() { return *m_runs; }
    /// Statistics or a scheme are being computed for this metric.
    [[nodiscard]] bool computing() const;
    /// They are not, although some are missing.
    [[nodiscard]] bool paused() const;
    [[nodiscard]] double fraction() const;
    void pause();
    void resume();
    [[nodiscard]] bool busy() const { return m_sorting || computing() || m_moreFacts.isActive(); }

    /// A table of the user's becomes metrics; the first of them is chosen.
    void setOwn(const QString& title, const OwnTable& table);
    void clearOwn();
    [[nodiscard]] const std::vector<OwnColumn>& own() const { return m_own; }
    [[nodiscard]] const QString& ownTitle() const { return m_ownTitle; }

    void refresh(Changes what);
    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);
    /// Every tensor with its place and all that is known of it; TSV.
    [[nodiscard]] QString copyText() const;

signals:
    /// Another checkpoint was sorted, or none is open.
    void layoutChanged();
    /// Another metric, or more of it is known.
    void valuesChanged();
    void metricChanged();
    void thresholdChanged();
    void selectionChanged();
    /// Computing started, went on or ended.
    void progressed();

private:
    void sortNames();
    void takeStats();
    void wantData();
    void preferShown();
    void preferLater();
    void update();
    void updateSome(const std::vector<std::size_t>& tensors);
    void updateTensor(const SchemeColumn* column, std::size_t tensor);
    void updateRange();
    void poolCell(std::size_t cell);
    [[nodiscard]] std::pair<double, std::uint8_t> valueOf(const AtlasMetric& metric,
                                                          const SchemeColumn* column,
                                                          std::size_t tensor) const;
    /// What is known of the scheme of a metric; null: nothing, or it is of no scheme.
    [[nodiscard]] const SchemeColumn* columnOf(const AtlasMetric& metric) const;
    [[nodiscard]] std::string schemeOf(const AtlasMetric& metric) const;

    Document& m_document;
    std::shared_ptr<const TensorSource> m_source;
    std::shared_ptr<const AtlasLayout> m_layout;
    bool m_sorting = false;
    AtlasMetric m_metric;
    AtlasValues m_values;
    std::vector<TensorFacts> m_facts;
    enum class Has : std::uint8_t { Nothing, Sample, Exact, Error };
    std::vector<Has> m_hasFacts;
    std::size_t m_taken = 0;  ///< of Analyses::scanned()
    std::size_t m_factsKnown = 0;
    AtlasThreshold m_threshold;
    std::optional<std::size_t> m_selected;
    QString m_wantedSelection;  ///< of a session, until its checkpoint is open
    SchemeRuns* m_runs = nullptr;
    std::vector<OwnColumn> m_own;
    QString m_ownTitle;
    QTimer m_moreFacts;
    QTimer m_prefer;
    bool m_scanEnded = false;  ///< all read, or somebody stopped it
};

}  // namespace loupe::app
