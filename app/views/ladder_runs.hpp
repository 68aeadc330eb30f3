// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/comparison_input.hpp"
#include "core/experiment/ladder.hpp"

#include <QObject>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace loupe::app {

/// One tensor's ladder as far as it has come. Shared with nobody: UI thread only.
struct LadderState {
    ComparisonInput of;
    std::vector<std::shared_ptr<const LadderRow>> rows;
    std::vector<LadderSkip> skipped;
    bool hasOutput = false;          ///< activations were given and fit
    std::vector<std::string> asked;  ///< dear ones that a person wants nevertheless
    bool done = false;
    std::optional<Error> error;
};

/// Runs the ladder of the document's tensor in the background and keeps the last few. Rows arrive
/// some ten times a second while the job goes on. UI thread only.
class LadderRuns : public QObject {
    Q_OBJECT

public:
    explicit LadderRuns(Document& document, QObject* parent = nullptr);
    ~LadderRuns() override;

    /// The state of what the document shows now; starts or goes on with it unless it was stopped.
    /// Null where there is no tensor.
    [[nodiscard]] const LadderState* want();
    /// The state last wanted; null: none.
    [[nodiscard]] const LadderState* state() const;
    [[nodiscard]] bool running() const;
    [[nodiscard]] double fraction() const;
    /// The entry being measured, and for how long: one may take most of the run's time. Empty:
    /// none.
    struct Now {
        std::string title;
        double seconds = 0;
    };
    [[nodiscard]] Now now() const;
    void stop();
    /// Goes on after stop().
    void resume();
    /// Runs one that does not run by itself, after those that are running.
    void runNow(const std::string& scheme);

    static constexpr const char* kSlot = "ladder";

signals:
    /// Rows arrived, or it started, ended or failed.
    void changed();

private:
    struct Mail;
    void start();
    void drain();
    void finished(const std::optional<Error>& error);

    Document& m_document;
    std::deque<std::shared_ptr<LadderState>> m_kept;  ///< the newest last
    std::shared_ptr<LadderState> m_state;
    std::shared_ptr<Mail> m_mail;
    bool m_stopped = false;
};

}  // namespace loupe::app
