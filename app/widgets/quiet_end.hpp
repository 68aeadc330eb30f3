// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

class QWidget;

namespace loupe::app {

/// The last member of a widget that listens to its own fields. A widget that is a window by itself
/// (a dialog, a test's) loses the focus in ~QWidget, which ends an edit: without this the slot would
/// run on what is no longer an object of its class.
class QuietEnd {
public:
    explicit QuietEnd(QWidget* owner) : m_owner(owner) {}
    QuietEnd(const QuietEnd&) = delete;
    QuietEnd& operator=(const QuietEnd&) = delete;
    /// The owner hears nothing of its children any more.
    ~QuietEnd();

private:
    QWidget* m_owner;
};

}  // namespace loupe::app
