// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/experiment/experiment_spec.hpp"
#include "core/io/tensor_source.hpp"

#include <QFlags>
#include <QObject>
#include <QString>
#include <QUndoStack>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace loupe::app {

class Analyses;
class Cursor;
class JobManager;

/// What changed, so that a view can return early.
enum class Change : unsigned {
    Source = 1,  ///< another checkpoint (or none, or it finished opening)
    Tensor = 2,  ///< another tensor, or its bits were edited
    SchemeA = 4,
    SchemeB = 8,
    Inputs = 16,   ///< activations, calibration
    Results = 32,  ///< a computed result arrived, failed or progressed
    Display = 64,  ///< thresholds, theme, font
    All = 127,
};
Q_DECLARE_FLAGS(Changes, Change)
Q_DECLARE_OPERATORS_FOR_FLAGS(Changes)

enum class Side { A, B };

using SpecEdit = std::function<void(ExperimentSpec&)>;

/// The one experiment behind all workspaces, and the only writer of its spec. UI thread only.
class Document : public QObject {
    Q_OBJECT

public:
    explicit Document(QObject* parent = nullptr);
    ~Document() override;

    [[nodiscard]] const ExperimentSpec& spec() const { return m_spec; }
    /// The only way to change the experiment. Consecutive edits with the same non-zero mergeId
    /// become one undo step; an edit that changes nothing leaves no undo entry.
    void edit(const QString& label, const SpecEdit& change, int mergeId = 0);
    /// Ends the merging of edits (a slider was released).
    void endMerge();
    [[nodiscard]] QUndoStack& undoStack() { return m_undo; }

    /// Opens a checkpoint in the background (an undoable edit of spec().source); changed(Source)
    /// when it is there or failed.
    void open(const QString& path, const QString& tensor = {});
    /// Replaces everything (session load, start): clears undo.
    void reset(const ExperimentSpec& spec);
    /// Reads the checkpoint again (it changed on disk, or "Retry").
    void reload();
    /// Theme or font changed: views redraw.
    void announceDisplay() { announce(Change::Display); }

    /// The open checkpoint; null while opening, after a failure or when none.
    [[nodiscard]] std::shared_ptr<const TensorSource> source() const { return m_source; }
    [[nodiscard]] bool opening() const;
    [[nodiscard]] const std::optional<Error>& openError() const { return m_openError; }
    /// Index of the selected tensor; empty when none.
    [[nodiscard]] std::optional<std::size_t> tensorIndex() const;
    [[nodiscard]] const TensorInfo* tensor() const;
    /// The selected tensor's matrix with the spec's bit edits laid over it; null when none or
    /// unreadable.
    [[nodiscard]] std::shared_ptr<const RowSource> weights() const { return m_weights; }
    /// Why weights() is null although a tensor is selected.
    [[nodiscard]] const std::optional<Error>& tensorError() const { return m_tensorError; }
    /// Stored code of one element, with edits; empty where the tensor is not stored in a number
    /// format.
    [[nodiscard]] std::optional<std::uint64_t> code(std::int64_t row, std::int64_t col) const;
    [[nodiscard]] bool isEdited(std::int64_t row, std::int64_t col) const;
    /// Undoable: the element reads as `code`; the original code removes the edit. The file is never
    /// written.
    void setCode(std::int64_t row, std::int64_t col, std::uint64_t code);

    /// Is there a choice between the file's own entries and the weights that they make?
    [[nodiscard]] bool canChooseStored() const;
    /// Undoable: shows the file's own entries, or (false) packed weights put together. The tensor
    /// chosen stays the same weights; nothing happens where there is no choice.
    void setStored(bool stored);

    [[nodiscard]] QString scheme(Side side) const;
    /// Undoable; `text` must be a valid scheme string (or empty). mergeId as edit().
    void setScheme(Side side, const QString& text, const QString& label, int mergeId = 0);

    [[nodiscard]] Cursor& cursor() { return *m_cursor; }
    [[nodiscard]] JobManager& jobs() { return *m_jobs; }
    [[nodiscard]] Analyses& analyses() { return *m_analyses; }

signals:
    void changed(loupe::app::Changes what);

private:
    friend class Analyses;
    class Command;
    void assign(const ExperimentSpec& next);
    void loadSource();
    void takeSource(const Result<std::shared_ptr<const TensorSource>>& opened);
    void chooseTensor();
    void loadTensor();
    void announce(Changes what);

    ExperimentSpec m_spec;
    QUndoStack m_undo;
    int m_mergeEpoch = 0;
    std::shared_ptr<const TensorSource> m_source;
    /// The last few checkpoints by path and layout, so that undoing an "open" is instant. Headers
    /// and a mapping: small.
    std::vector<std::pair<std::string, std::shared_ptr<const TensorSource>>> m_recentSources;
    std::optional<Error> m_openError;
    std::optional<TensorInfo> m_left;           ///< what was shown when the view was switched
    std::shared_ptr<const RowSource> m_stored;  ///< the tensor without edits
    std::shared_ptr<const RowSource> m_weights;
    std::optional<Error> m_tensorError;
    Cursor* m_cursor = nullptr;
    JobManager* m_jobs = nullptr;
    Analyses* m_analyses = nullptr;
};

}  // namespace loupe::app
