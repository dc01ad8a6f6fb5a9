/* common/sched.h: how a process shares a core with others and with the kernel.
 *
 * Where cores are few, a thread in the middle of something long is in the way of everybody who was just woken: of those
 * who answer, and of the kernel's own threads, which have to run before a sync of the disk is known to be done. With
 * Linux's usual slices each such meeting costs some 3 to 6 ms. Wishes, both of them: a kernel that does not know how
 * just goes on as before. Linux alone. */
#ifndef ORDO_COMMON_SCHED_H
#define ORDO_COMMON_SCHED_H

/* The calling thread, and those that it starts from now on, take the core in short slices (heard since Linux 6.12).
 * Their share of it stays what it was. */
void ordo_sched_take_short_slices(void);
/* The calling thread takes a smaller share than the others while they want the core, too. */
void ordo_sched_step_aside(void);

#endif
