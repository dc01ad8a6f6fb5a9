/* common/access.h: what one may do with a document. */
#ifndef ORDO_COMMON_ACCESS_H
#define ORDO_COMMON_ACCESS_H

/* Each includes those before it. The first three are ordo.v1.Permission. */
enum ordo_access {
    ORDO_ACCESS_NONE = 0,
    ORDO_ACCESS_READ = 1,  /* content, history, presence (also one's own) */
    ORDO_ACCESS_WRITE = 2, /* ops: edit, create, delete; whatever they do can be undone out of the history */
    ORDO_ACCESS_ADMIN = 3, /* forget, which nobody can undo */
};

#endif
