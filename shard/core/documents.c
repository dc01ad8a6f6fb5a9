#include "shard/core/documents.h"

#include "shard/core/key.h"

ordo_err ordo_documents_next(struct ordo_view *view, struct ordo_slice from, struct ordo_buffer *out, bool *is_found) {
    static const enum ordo_cf families[] = {ORDO_CF_DOCS, ORDO_CF_OPS, ORDO_CF_SNAPSHOTS, ORDO_CF_CLIENTS};
    ordo_err err = ORDO_OK;
    *is_found = false;
    for (size_t i = 0; i < sizeof families / sizeof *families && !err; i++) {
        struct ordo_iterator *iterator = view->ops->iterate(view, families[i], ordo_slice(NULL, 0), ordo_slice(NULL, 0));
        struct ordo_key key;
        if (!iterator->ops->seek(iterator, from)) {
            err = iterator->ops->status(iterator);
        } else if (ordo_key_parse(iterator->ops->key(iterator), &key) &&
                   (!*is_found || ordo_slice_compare(key.doc_key, ordo_buffer_slice(out)) < 0)) {
            ordo_buffer_clear(out);
            ordo_buffer_append_slice(out, key.doc_key);
            *is_found = true;
        }
        iterator->ops->close(iterator);
    }
    return err;
}
