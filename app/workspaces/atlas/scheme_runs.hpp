// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "core/experiment/figures.hpp"

#include <QObject>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace loupe::app {

/// One scheme over a whole checkpoint, as far as it has come. UI thread only.
struct SchemeColumn {
    enum class State : std::uint8_t {
        Pending,
        Sampled,  ///< figures of some rows, until the whole tensor's are there
        Known,
        Failed,
        None,  ///< no matrix: norms and biases are never quantized
    };
    std::weak_ptr<const TensorSource> source;
    std::string scheme;
    std::vector<State> state;
    std::vector<Figures> figures;
    std::vector<std::int64_t> sampledRows;  ///< of sampled ones
    std::map<std::size_t, Error> errors;
    std::size_t left = 0;  ///< matrices without exact figures
    bool listed = false;   ///< which tensors are matrices is known
    [[nodiscard]] bool done() const { return listed && left == 0; }
};

/// Applies a scheme to every matrix of a checkpoint in the background: to some rows of the large
/// ones first, then to each whole, small ones first unless somebody looks at others. What it found
/// is kept by scheme, so that going back to one is instant; a pause or a cancel loses at most the
/// tensor at work. UI thread only.
class SchemeRuns : public QObject {
    Q_OBJECT

public:
    explicit SchemeRuns(Document& document, QObject* parent = nullptr);
    ~SchemeRuns() override;

    /// The column of a scheme; it starts or goes on with it unless it was paused. Null: nothing
    /// open or no scheme.
    [[nodiscard]] const SchemeColumn* want(const std::string& scheme);
    /// What is known of a scheme; starts nothing.
    [[nodiscard]] const SchemeColumn* known(const std::string& scheme) const;
    /// Nobody looks at a scheme any more: what runs is stopped, and is no pause.
    void leave();
    [[nodiscard]] bool running() const { return m_mail != nullptr; }
    [[nodiscard]] bool paused() const { return m_paused; }
    [[nodiscard]] double fraction() const;
    void pause();
    void resume();
    /// These next, as far as they are still to come.
    void prefer(std::span<const std::size_t> tensors);

    static constexpr const char* kSlot = "atlas.scheme";

signals:
    /// Figures arrived, or it started, ended, was paused or failed.
    void changed();

private:
    struct Mail;
    static void work(const TensorSource& source,
                     const Scheme& scheme,
                     const std::vector<SchemeColumn::State>& state,
                     Mail& mail,
                     const JobContext& ctx);
    void start();
    void stop();
    void drain();
    void finished();

    Document& m_document;
    std::deque<std::shared_ptr<SchemeColumn>> m_kept;  ///< the newest last
    std::shared_ptr<SchemeColumn> m_now;
    std::shared_ptr<Mail> m_mail;
    bool m_paused = false;
};

}  // namespace loupe::app
