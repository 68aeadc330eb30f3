// SPDX-License-Identifier: Apache-2.0
// The portable switch: Boost.Context, where the build found it.
#include "gpu/simt/fiber.hpp"

#if defined(LOUPE_BOOST_CONTEXT)

#include <boost/context/detail/fcontext.hpp>

namespace loupe::gpu::simt {

namespace {

using boost::context::detail::transfer_t;

/// Every fiber of a thread starts alike.
thread_local void (*startOfNewFibers)() = nullptr;

void enter(transfer_t transfer) {
    static_cast<FiberContext*>(transfer.data)->handle = transfer.fctx;
    startOfNewFibers();
}

void makeBoost(FiberContext& context, void (*entry)()) {
    startOfNewFibers = entry;
    auto* top = static_cast<char*>(context.stackBottom) + context.stackBytes;
    context.handle = boost::context::detail::make_fcontext(top, context.stackBytes, enter);
}

void jumpBoost(FiberContext& from, FiberContext& to) {
    const transfer_t transfer = boost::context::detail::jump_fcontext(to.handle, &from);
    static_cast<FiberContext*>(transfer.data)->handle = transfer.fctx;
}

constexpr FiberSwitch kBoost{makeBoost, jumpBoost};

}  // namespace

const FiberSwitch* boostFiberSwitch() {
    return &kBoost;
}

}  // namespace loupe::gpu::simt

#else

namespace loupe::gpu::simt {

const FiberSwitch* boostFiberSwitch() {
    return nullptr;
}

}  // namespace loupe::gpu::simt

#endif
