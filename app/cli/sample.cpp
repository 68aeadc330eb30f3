// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/sample.hpp"

#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace loupe::cli {

extern const Command kCommand_sample;
const Command kCommand_sample{
    "sample",
    "Writes the bundled example checkpoint into a folder",
    [](CLI::App& app, const Common& common) -> std::function<Result<Output>()> {
        const auto folder = std::make_shared<std::string>();
        app.add_option("--output",
                       *folder,
                       "Folder for model.safetensors, activations.safetensors and config.json")
            ->required();
        return [folder, &common]() -> Result<Output> {
            if (Result<void> written = writeSampleCheckpoint(*folder); !written) {
                return fail(written.error());
            }
            JsonWriter json;
            json.beginObject().key("output").value(*folder).endObject();
            return Output{common.json ? json.text() + "\n" : *folder + "\n"};
        };
    }};

}  // namespace loupe::cli
