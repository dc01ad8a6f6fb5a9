/* common/sched.h: how a process shares a core with others and with the kernel.
 *
 * Where cores are few, a thread in the middle of something long is in the way of everybody who was just woken: of those
 * who answer, and of the kernel's own threads, which have to run before a sync of the disk is known to be done. Linux
 * (EEVDF, since 6.6) does not take the core away from a thread before its slice is over, whatever its priority, and looks
 * whether it is only with the next tick, 4 ms later on many a machine, or when somebody wakes whose slices are shorter. So
 * whoever answers takes short slices, whoever does not is in no hurry and takes long ones, and goes out of the way by itself
 * now and then. Wishes, all of them: a kernel that does not know how just goes on as before. Linux alone. */
#ifndef ORDO_COMMON_SCHED_H
#define ORDO_COMMON_SCHED_H

/* The calling thread, and those that it starts from now on, take the core in short slices (heard since Linux 6.12).
 * Their share of it stays what it was. */
void ordo_sched_take_short_slices(void);
/* The calling thread takes a smaller share than the others while they want the core, too, and anybody who wakes may
 * interrupt it. */
void ordo_sched_step_aside(void);
/* Between two pieces of something long: a thread that stepped aside, and was not here for 0.3 ms, lets those run who wait for
 * the core, by a sleep of some 60 µs. Nothing in other threads. */
void ordo_sched_give_way(void);

#endif
