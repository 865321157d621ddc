#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include <retention/base/export.h>

namespace retentive::datasets {

using PathFilter = std::function<bool(const std::filesystem::path&)>;

/// True for the extensions that are taken for images, in any case: .jpg .jpeg .png .webp .gif .bmp .tif .tiff .pbm .pgm
/// .ppm .pnm.
RETENTIVE_API bool has_image_extension(const std::filesystem::path& path);

/// True for what systems and programs leave beside images, by the last part of the path: .DS_Store, ._*, __MACOSX,
/// .ipynb_checkpoints, Thumbs.db, desktop.ini, @eaDir, ... Such files are no images, such folders no classes.
RETENTIVE_API bool is_rubbish(const std::filesystem::path& path);

/// The folders directly in `root`, sorted by path bytes. Passed over are rubbish, names beginning with a dot, and links
/// to a folder that holds `root`. Throws DataError when `root` is no folder or cannot be read, and for two names of one
/// folder.
RETENTIVE_API std::vector<std::filesystem::path> list_folders(const std::filesystem::path& root);

/// All image files below a folder, sorted by path bytes; rubbish and names beginning with a dot are passed over. Links
/// to folders are followed; each folder counts once, under its own name where it has one below `folder`, and those that
/// hold `folder` never. Throws DataError when a folder cannot be read.
RETENTIVE_API std::vector<std::filesystem::path> list_images(const std::filesystem::path& folder);

/// Likewise all files whose path is `wanted`.
RETENTIVE_API std::vector<std::filesystem::path> list_files(const std::filesystem::path& folder,
                                                            const PathFilter& wanted);

/// The same for each folder in list_folders(root); a link into another of these folders, or back to `root`, is not
/// followed.
RETENTIVE_API std::vector<std::vector<std::filesystem::path>> list_images_by_folder(
    const std::vector<std::filesystem::path>& folders, const std::filesystem::path& root);

}  // namespace retentive::datasets
