// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/document/analysis_cache.hpp"
#include "app/document/plane.hpp"
#include "app/document/tensor_queue.hpp"

#include <QTimer>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace loupe::app {

/// What a scan found of one tensor.
struct ScanFound {
    std::size_t tensor = 0;
    std::shared_ptr<const TensorStats> stats;  ///< null: `error` says why
    std::vector<RaisedFlag> flags;             ///< all but duplicates
    std::string contentHash;
    std::optional<Error> error{};
    bool sampled = false;  ///< `stats` are of some rows, and an error is left to the whole tensor
};

/// What a scan shares with the UI thread.
struct ScanShared {
    std::mutex mutex;
    std::vector<ScanFound> found;
    TensorQueue queue;         ///< to be read whole
    std::atomic<int> busy{0};  ///< jobs that a person waits for: the scan gives way
};

constexpr int kScanDrainMs = 100;
constexpr int kScanHurryMs = 20;  ///< while there is more to take than one event may

/// The statistics that the tree needs, at most some 10 KB for each thousand channels.
[[nodiscard]] std::shared_ptr<const TensorStats> compacted(const TensorStats& stats);

/// State of Analyses. A slot is one place of the screen ("scheme:A", "plane:2:0"): at most one job
/// at a time, the latest request wins.
class Analyses::Private {
public:
    struct Slot {
        std::string running;               ///< key being computed; empty: none
        std::string wanted;                ///< key that the debounce holds back
        std::string tensor;                ///< the tensor (without edits) that `last` belongs to
        std::shared_ptr<const void> last;  ///< what was shown last
        std::function<void()> begin;       ///< to do when the debounce ends
        std::unique_ptr<QTimer> debounce;
    };

    explicit Private(Analyses& owner, Document& document);

    template <class T>
    Lookup<T> look(const QString& name,
                   const std::string& key,
                   bool debounced,
                   const std::function<void()>& start);
    template <class T>
    Lookup<T> pending(const QString& name);
    template <class T>
    void finish(const QString& name,
                const std::string& key,
                const Result<std::shared_ptr<const T>>& result,
                std::size_t bytes);
    /// True if there is a matrix to work on; otherwise fills in why not.
    template <class T>
    bool ready(Lookup<T>& lookup) const;

    [[nodiscard]] std::string tensorId() const;   ///< without edits
    [[nodiscard]] std::string tensorKey() const;  ///< with edits
    [[nodiscard]] std::string schemeKey(Side side) const;
    void startStats(const std::string& key);
    void startScheme(Side side, const std::string& key);
    void startPlane(const QString& name,
                    const std::string& key,
                    Quantity quantity,
                    PlaneInputs inputs);
    void startStorage(const QString& name,
                      const std::string& key,
                      const std::shared_ptr<const SchemeResult>& result);
    void checkInputs();
    void sourceChanged();
    void stopAll();
    void onJobFailed(const QString& name, const QString& what);
    void onJobEnded(const QString& name);
    void onProgress();
    void resumeWaiting();
    void updateBusy();
    void collectScan();
    void drainScan();
    void takeFound(ScanFound& found);
    void takeFlags(ScanFound& found);
    void announceResults() { document.announce(Change::Results); }
    JobManager& jobs() const { return document.jobs(); }

    Analyses& q;
    Document& document;
    AnalysisCache cache;
    std::map<QString, Slot> places;
    std::map<QString, std::pair<Quantity, Side>>
        waiting;                       ///< planes whose schemes are still being applied
    std::vector<std::string> stopped;  ///< keys whose job a person cancelled
    LayerInput activations;
    LayerInput gradients;
    std::vector<std::shared_ptr<const TensorStats>> known;
    std::vector<std::shared_ptr<const std::vector<RaisedFlag>>> flags;
    std::vector<std::shared_ptr<const TensorStats>> sampled;  ///< until the exact ones are there
    std::vector<std::size_t> scanLog;
    std::deque<ScanFound> scanBacklog;  ///< found, and not taken yet
    std::map<std::size_t, Error> scanErrors;
    std::unordered_map<std::string, std::size_t> firstContent;  ///< by hash, for duplicates
    std::shared_ptr<ScanShared> scan = std::make_shared<ScanShared>();
    QTimer scanTimer;
    std::weak_ptr<const TensorSource> source;
    std::vector<std::pair<std::weak_ptr<const TensorSource>, int>> generations;
    int generation = 0;
    int ticks = 0;
};

}  // namespace loupe::app
