// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/prune/storage_cost.hpp"
#include "core/stats/pyramid.hpp"
#include "core/stats/tensor_flags.hpp"
#include "core/stats/tensor_stats.hpp"

#include <QObject>
#include <QString>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace loupe::app {

/// A computed result as a view sees it: value, error or pending.
template <class T>
struct Lookup {
    std::shared_ptr<const T> value;  ///< of the current spec
    std::shared_ptr<const T> stale;  ///< while pending: the last value of the same tensor, to keep
                                     ///< on screen dimmed; may be null
    std::optional<Error> error;
    bool pending = false;
    double fraction = -1;  ///< while pending: 0 to 1, -1 unknown
    /// The value, else the stale one.
    [[nodiscard]] const T* best() const { return value ? value.get() : stale.get(); }
    explicit operator bool() const { return value != nullptr; }
};

/// What a matrix picture can show.
enum class Quantity {
    Original,
    Scheme,         ///< dequantized weights of a side
    Error,          ///< scheme - original
    Codes,          ///< integer codes of a side
    Difference,     ///< |error B| - |error A|: which scheme is closer
    SchemesDiffer,  ///< scheme A - scheme B
};

/// A plane ready to draw: the pyramid for overview, `fill` for exact cells. Keeps alive what it
/// needs; thread-safe.
struct PlaneData {
    Quantity quantity = Quantity::Original;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::shared_ptr<const Pyramid> pyramid;
    RowFiller fill;
};

/// What storing a side's result costs. Immutable.
struct StorageReport {
    std::shared_ptr<const SchemeResult> of;
    int storedBits = 32;                ///< of the dtype that the file has
    std::optional<StorageTable> table;  ///< the layouts under the mask; empty: no mask
};

/// Activations or gradients of the selected tensor, as far as they are known.
struct LayerInput {
    std::string reference;  ///< empty: none
    bool own = false;       ///< the source itself comes with them
    bool pending = false;   ///< being opened
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    bool columnNorms = false;    ///< an importance matrix: no output error, few steps
    std::optional<Error> error;  ///< why they cannot be used
};

/// Results of the document's experiment: looked up by the full input, computed on demand in the
/// background, cached (LRU by bytes). Calling a getter starts the work if there is none;
/// Document::changed(Results) tells when it arrived. A failed key is remembered and not retried. UI
/// thread only.
class Analyses : public QObject {
    Q_OBJECT

public:
    explicit Analyses(Document& document);
    ~Analyses() override;

    /// Statistics of the selected tensor.
    [[nodiscard]] Lookup<TensorStats> stats();
    /// Statistics of any tensor, for the tree: only what is there, starts nothing (scanAll() does).
    /// Kept compact, without edits: `values` are 96 bins within 4 standard deviations, of the
    /// channel ranges only absmax is filled.
    [[nodiscard]] std::shared_ptr<const TensorStats> knownStats(std::size_t tensorIndex) const;
    /// What a scan found odd or telling about a tensor; null: not scanned yet.
    [[nodiscard]] std::shared_ptr<const std::vector<RaisedFlag>> knownFlags(
        std::size_t tensorIndex) const;
    /// Why a scan could not read a tensor; null: it could, or has not come to it.
    [[nodiscard]] const Error* scanError(std::size_t tensorIndex) const;
    /// The same of some rows of a large tensor (`rows` says how many), as an estimate until
    /// knownStats() has the exact ones; null: none, or not needed any more.
    [[nodiscard]] std::shared_ptr<const TensorStats> sampledStats(std::size_t tensorIndex) const;
    /// Fills knownStats() and knownFlags() of all tensors in the background; cancellable in the job
    /// bar ("scan"). Samples of the large ones come first. It pauses while something that a person
    /// waits for is being computed.
    void scanAll();
    /// These next, as far as they are still to come.
    void scanFirst(std::span<const std::size_t> tensors);
    static constexpr const char* kScanSlot = "scan";
    /// Reading, or what was read is still being taken over.
    [[nodiscard]] bool scanning() const;
    /// Tensors in the order in which something became known of them: a sample, statistics, an
    /// error. Only grows until another source is opened; a tensor may stand in it more than once.
    [[nodiscard]] const std::vector<std::size_t>& scanned() const;

    [[nodiscard]] Lookup<SchemeResult> scheme(Side side);
    [[nodiscard]] Lookup<PlaneData> plane(Quantity quantity, Side side);
    /// The layouts of a side's result; follows scheme().
    [[nodiscard]] Lookup<StorageReport> storage(Side side);

    /// Why the spec's activations cannot be used; empty where there are none or they are fine.
    [[nodiscard]] const std::optional<Error>& activationsError() const;
    [[nodiscard]] const LayerInput& activations() const;
    [[nodiscard]] const LayerInput& gradients() const;

    /// For tests and --screenshot: nothing running and nothing asked for is missing. A scan does
    /// not count.
    [[nodiscard]] bool idle() const;

private:
    friend class Document;
    void documentChanged(Changes what);
    class Private;
    std::unique_ptr<Private> m_private;
};

}  // namespace loupe::app
