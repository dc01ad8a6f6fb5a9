/* common/files.h: whole files and folders, written so that they are on disk on return.
 *
 * Errors: NOT_FOUND, NO_SPACE, IO; `errno` says more right after the call. Descriptors are close-on-exec. */
#ifndef ORDO_COMMON_FILES_H
#define ORDO_COMMON_FILES_H

#include "common/buffer.h"
#include "common/error.h"

/* What `errno` means to us. */
ordo_err ordo_file_error(void);

/* Appends the file's bytes. */
ORDO_MUST_USE ordo_err ordo_file_read(const char *path, struct ordo_buffer *out);
/* The file at `path` holds `bytes`, or is as it was: written as `temporary` (on the same file system), synced, renamed,
 * folders synced. */
ORDO_MUST_USE ordo_err ordo_file_replace(const char *path, const char *temporary, struct ordo_slice bytes);
/* The same, readable by its owner alone from the first byte on. */
ORDO_MUST_USE ordo_err ordo_file_replace_secret(const char *path, const char *temporary, struct ordo_slice bytes);
/* Makes the names in the folder durable. */
ORDO_MUST_USE ordo_err ordo_folder_sync(const char *path);
/* The same for the folder that holds `path`. */
ORDO_MUST_USE ordo_err ordo_folder_sync_parent(const char *path);
/* Removes plain files and folders below `path`, and `path`; follows no links. */
ORDO_MUST_USE ordo_err ordo_folder_remove(const char *path);
/* Bytes that a file in the folder could still grow by; 0 if that cannot be said. */
uint64_t ordo_folder_free_size(const char *path);

#endif
