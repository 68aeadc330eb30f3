// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/view.hpp"

namespace loupe::app {

#define LOUPE_VIEW(id) extern const ViewDefinition kView_##id;
#include "app/views/views.def"
#undef LOUPE_VIEW

const std::vector<const ViewDefinition*>& allViews() {
    static const std::vector<const ViewDefinition*> views{
#define LOUPE_VIEW(id) &kView_##id,
#include "app/views/views.def"
#undef LOUPE_VIEW
    };
    return views;
}

}  // namespace loupe::app
