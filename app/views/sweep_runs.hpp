// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/comparison_input.hpp"
#include "core/experiment/sweep.hpp"

#include <QObject>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace loupe::app {

/// What is to be swept.
struct SweepRequest {
    ComparisonInput of;
    std::vector<std::string> schemes;
    SweepAxis axis;
    [[nodiscard]] bool sameAs(const SweepRequest& other) const {
        return of.sameAs(other.of) && schemes == other.schemes && axis.key == other.axis.key &&
               axis.values == other.axis.values;
    }
};

/// One sweep as far as it has come.
struct SweepState {
    SweepRequest request;
    std::vector<SweepSeries> series;
    bool done = false;
    std::optional<Error> error;
};

/// Runs sweeps in the background and keeps the last few. UI thread only.
class SweepRuns : public QObject {
    Q_OBJECT

public:
    explicit SweepRuns(Document& document, QObject* parent = nullptr);
    ~SweepRuns() override;

    /// Shows what is known of it; starts it where `run` and it is not there yet.
    void want(const SweepRequest& request, bool run);
    void clear();
    [[nodiscard]] const SweepState* state() const { return m_state.get(); }
    [[nodiscard]] bool running() const { return m_mail != nullptr; }
    [[nodiscard]] double fraction() const;
    void stop();

    static constexpr const char* kSlot = "sweep";

signals:
    void changed();

private:
    struct Mail;
    void start();
    void drain();
    void abandon();
    void finished(const std::optional<Error>& error);

    Document& m_document;
    std::deque<std::shared_ptr<SweepState>> m_kept;
    std::shared_ptr<SweepState> m_state;
    std::shared_ptr<Mail> m_mail;
};

}  // namespace loupe::app
