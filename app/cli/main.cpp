// SPDX-License-Identifier: GPL-3.0-or-later
// loupe: the compute core from the command line. Everything that a view shows can be had from here as one JSON document.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/command.hpp"
#include "core/base/text.hpp"
#include "core/base/version.hpp"
#include "core/base/worker_pool.hpp"

namespace loupe::cli {

#define LOUPE_COMMAND(id) extern const Command kCommand_##id;
#include "app/cli/commands.def"
#undef LOUPE_COMMAND

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitGate = 3;

int report(const Error& error) {
    std::fprintf(stderr, "loupe: error: %s\n", error.message().c_str());
    if (!error.hint.empty()) {
        std::fprintf(stderr, "loupe: hint: %s\n", error.hint.c_str());
    }
    return error.code == ErrorCode::Usage ? kExitUsage : kExitFailed;
}

bool isNegativeNumber(std::string_view text) {
    if (text.size() < 2 || text.front() != '-') {
        return false;
    }
    const std::string lower = toLower(text.substr(1));
    return text[1] == '.' || (text[1] >= '0' && text[1] <= '9') || lower == "inf" || lower == "infinity" ||
           lower == "nan";
}

/// The arguments with negative numbers moved behind a `--`, where the parser does not take them for options.
std::vector<std::string> withNumbersLast(const std::vector<std::string>& arguments) {
    std::vector<std::string> others;
    std::vector<std::string> numbers;
    for (const std::string& argument : arguments) {
        if (argument == "--") {
            return arguments;
        }
        (isNegativeNumber(argument) ? numbers : others).push_back(argument);
    }
    if (!numbers.empty()) {
        others.emplace_back("--");
        others.insert(others.end(), numbers.begin(), numbers.end());
    }
    return others;
}

int run(int argc, char* argv[]) {
    CLI::App app{"What number formats, quantization and pruning do to the weights of a checkpoint.", "loupe"};
    app.set_version_flag("--version", kVersion);
    app.require_subcommand(1);
    app.allow_windows_style_options(false);
    Common common;
    std::vector<std::string> arguments(argv + 1, argv + argc);
    std::vector<std::pair<CLI::App*, std::function<Result<Output>()>>> commands;
    for (const Command* command : {
#define LOUPE_COMMAND(id) &kCommand_##id,
#include "app/cli/commands.def"
#undef LOUPE_COMMAND
         }) {
        CLI::App* sub = app.add_subcommand(command->name, command->summary);
        sub->add_flag("--json", common.json, "Print one JSON document");
        sub->add_option("--threads", common.threads, "Threads to use (default: all cores)")->check(CLI::Range(1, 1024));
        commands.emplace_back(sub, command->configure(*sub, common));
        if (command->takesNumbers && !arguments.empty() && arguments.front() == command->name) {
            arguments = withNumbersLast(arguments);
        }
    }
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
        app.parse(arguments);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "loupe: error: %s\n", error.what());
        std::fprintf(stderr, "loupe: hint: try 'loupe --help'\n");
        return kExitUsage;
    }
    if (common.threads > 0) {
        setComputeThreads(common.threads);
    }
    for (const auto& [sub, execute] : commands) {
        if (!sub->parsed()) {
            continue;
        }
        const Result<Output> output = execute();
        if (!output) {
            return report(output.error());
        }
        std::fwrite(output->text.data(), 1, output->text.size(), stdout);
        if (std::fflush(stdout) != 0) {
            return report({ErrorCode::Unreadable, "standard output could not be written", {}, {}});
        }
        return output->gateFailed ? kExitGate : 0;
    }
    return kExitUsage;
}

}  // namespace

}  // namespace loupe::cli

int main(int argc, char* argv[]) {
    try {
        return loupe::cli::run(argc, argv);
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "loupe: error: out of memory\n");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "loupe: error: internal error: %s\n", error.what());
    }
    return 1;
}
