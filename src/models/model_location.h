// Finding a model on this machine.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace treble::internal {

/// The folder of a model: `model` itself when it is a folder, else the snapshot of "org/name" in the local Hugging Face
/// cache (HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub);
/// a bare name is looked for under sentence-transformers/ too; a folder of that cache (models--org--name) stands for
/// its snapshot. Never touches the network. Throws Error{not_found} with the places looked at; also for a cache that
/// was filled in part (refs/main names a snapshot that is missing) or does not say which of several snapshots counts.
std::filesystem::path find_model_folder(const std::string& model);

/// The models of that cache as "org/name", sorted.
std::vector<std::string> cached_model_names();

/// Where config.json and the weights are: `folder` itself, or that of the first of its modules. Throws
/// Error{invalid_file} when modules.json is no list of modules or leads out of the folder.
std::filesystem::path transformer_folder(const std::filesystem::path& folder);

}  // namespace treble::internal
