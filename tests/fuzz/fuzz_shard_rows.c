/* Whatever stands in the store, decoders of runs, rows, keys and creates read no further than it and never crash. The
 * first byte chooses; checksums are put right, so that the bytes behind them are looked at. */
#include <stdlib.h>

#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/run.h"
#include "shard/core/slot_count.h"
#include "shard/core/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_run(struct ordo_slice key, struct ordo_slice value) {
    struct ordo_run run;
    struct ordo_run_op op;
    uint64_t count = 0;
    if (ordo_run_open(key, value, &run)) return;
    while (!ordo_run_next(&run, &op)) count++;
    if (count > run.count) abort();
}

enum { KINDS = 12, TURN = 4, SNAPSHOT_WITH_HASH = 9, FORMAT = 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    uint8_t kind = data[0] % KINDS;
    struct ordo_slice key = ordo_slice("key", 3), bytes = ordo_slice(data + 1, size - 1);
    struct ordo_buffer value = {0};
    ordo_value_begin(&value, kind == SNAPSHOT_WITH_HASH ? 2 : 1);
    ordo_buffer_append_slice(&value, bytes);
    ordo_value_seal(&value, kind == TURN ? ordo_key_turn : kind == FORMAT ? ordo_key_format : key);
    struct ordo_slice sealed = ordo_buffer_slice(&value);
    union {
        struct ordo_doc_row doc;
        struct ordo_client_row client;
        struct ordo_snapshot_row snapshot;
        struct ordo_turn_row turn;
        struct ordo_committed committed;
        struct ordo_create create;
        struct ordo_key key;
        struct ordo_slot_count count;
        uint64_t level;
    } out;
    const struct ordo_type *type;
    ordo_err err = ORDO_OK;
    switch (kind) {
    case 0: read_run(key, sealed); break;
    case 1: err = ordo_doc_row_decode(key, sealed, &out.doc); break;
    case 2: err = ordo_client_row_decode(key, sealed, &out.client); break;
    case 3:
    case SNAPSHOT_WITH_HASH: err = ordo_snapshot_row_decode(key, sealed, &out.snapshot); break;
    case TURN: err = ordo_turn_row_decode(sealed, &out.turn); break;
    case 5: (void)ordo_committed_decode(bytes, &out.committed); break;
    case 6: (void)ordo_create_decode(bytes, &out.create, &type); break;
    case 7:
        if (ordo_key_parse(bytes, &out.key) && out.key.doc_key.size + out.key.rest.size != bytes.size) abort();
        break;
    case 8: read_run(key, bytes); break;
    case FORMAT: err = ordo_format_row_decode(sealed, &out.level); break;
    case 11: { /* a row that comes with a slot: the key is as hostile as the value */
        struct ordo_reader reader = ordo_reader(bytes);
        struct ordo_slice row_key;
        out.count = (struct ordo_slot_count){0};
        if (ordo_take_sized(&reader, &row_key)) err = ordo_slot_count_run(&out.count, row_key, ordo_slice(reader.next, ordo_reader_left(&reader)));
        break;
    }
    }
    (void)err;
    ordo_buffer_finish(&value);
    return 0;
}
