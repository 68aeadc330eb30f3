// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/options.hpp"

#include "app/workspaces/workspace.hpp"
#include "core/base/version.hpp"
#include "core/scheme/scheme.hpp"

#include <CLI/CLI.hpp>

#include <sstream>

namespace loupe::app {

namespace {

std::string checkSize(const std::string& text) {
    int width = 0;
    int height = 0;
    char rest = 0;
    const bool right = std::sscanf(text.c_str(), "%dx%d%c", &width, &height, &rest) == 2;
    return right && width >= 320 && height >= 240 && width <= 16384 && height <= 16384
               ? std::string()
               : "expected WIDTHxHEIGHT such as 1280x720, found '" + text + "'";
}

std::string checkScheme(const std::string& text) {
    const Result<Scheme> scheme = parseScheme(text);
    return scheme ? std::string() : scheme.error().what;
}

QString canonical(const std::string& text) {
    return text.empty() ? QString() : QString::fromStdString(toString(*parseScheme(text)));
}

}  // namespace

ParsedOptions parseOptions(int argc, const char* const* argv) {
    CLI::App cli{
        "Look into the weights of a checkpoint: bits, distribution, outliers, and what number "
        "formats and quantization "
        "would do to them.",
        "tensorloupe"};
    cli.set_version_flag("--version", kVersion);
    std::vector<std::string> paths;
    std::string tensor, schemeA, schemeB, workspace, theme, size, screenshot, session;
    ParsedOptions parsed;
    cli.add_option(
        "PATH",
        paths,
        "A checkpoint, a sharded index, a model folder, a session, or synthetic:KIND?key=value");
    cli.add_option("--tensor", tensor, "Select this tensor");
    cli.add_option("--scheme", schemeA, "Scheme A, such as absmax:bits=4,group=128")
        ->check(checkScheme);
    cli.add_option("--scheme-b", schemeB, "Scheme B")->check(checkScheme);
    std::vector<std::string> workspaces;
    for (const WorkspaceDefinition* definition : allWorkspaces()) {
        workspaces.emplace_back(definition->id);
    }
    workspaces.insert(workspaces.end(), {"ladder", "curves"});  // Inspect with that in the centre
    cli.add_option("--workspace", workspace, "Workspace to begin with")
        ->check(CLI::IsMember(workspaces, CLI::ignore_case));
    cli.add_option("--theme", theme, "Colours")
        ->check(CLI::IsMember({"light", "dark", "system", "projector"}));
    cli.add_option("--font-scale", parsed.options.fontScale, "Size of text, 1 is normal")
        ->check(CLI::Range(0.7, 3.0));
    cli.add_option("--size", size, "Size of the window, WIDTHxHEIGHT")->check(checkSize);
    cli.add_option("--screenshot",
                   screenshot,
                   "Write the window as a PNG when all visible results are there, and quit");
    cli.add_option("--session", session, "Open a session")->check(CLI::ExistingFile);
    cli.add_flag("--quit-after-paint",
                 parsed.options.quitAfterPaint,
                 "Quit when the window has been painted once");
    try {
        cli.parse(argc, argv);
    } catch (const CLI::Success& success) {
        std::ostringstream out, err;
        parsed.exitCode = cli.exit(success, out, err);
        parsed.output = out.str();
        return parsed;
    } catch (const CLI::ParseError& error) {
        parsed.exitCode = 2;
        parsed.output = std::string("tensorloupe: error: ") + error.what() +
                        "\ntensorloupe: hint: try 'tensorloupe --help'\n";
        return parsed;
    }
    Options& options = parsed.options;
    for (const std::string& path : paths) {
        options.paths << QString::fromStdString(path);
    }
    options.tensor = QString::fromStdString(tensor);
    options.schemeA = canonical(schemeA);
    options.schemeB = canonical(schemeB);
    options.workspace = QString::fromStdString(workspace);
    options.theme = QString::fromStdString(theme);
    options.screenshot = QString::fromStdString(screenshot);
    options.session = QString::fromStdString(session);
    if (!size.empty()) {
        int width = 0;
        int height = 0;
        std::sscanf(size.c_str(), "%dx%d", &width, &height);
        options.size = QSize(width, height);
    }
    return parsed;
}

}  // namespace loupe::app
