/* common/sched.h: how a process shares a core with others and with the kernel.
 *
 * Where cores are few, a thread in the middle of something long is in the way of everybody who was just woken: of those
 * who answer, and of the kernel's own threads, which have to run before a sync of the disk is known to be done. Linux
 * (EEVDF, since 6.6) does not take the core away from a thread before its slice is over, whatever its priority, and looks
 * whether it is only with the next tick, 4 ms later on many a machine, or when somebody wakes whose slices are shorter. So
 * whoever answers takes short slices, whoever does not is in no hurry, takes long ones, and sleeps now and then: who has just
 * had a little more than its share is not let in by a wake, only when the other stops. Wishes, all of them: a kernel that
 * does not know how just goes on as before. Linux alone. */
#ifndef ORDO_COMMON_SCHED_H
#define ORDO_COMMON_SCHED_H

/* The calling thread, and those that it starts from now on, take the core in short slices (heard since Linux 6.12).
 * Their share of it stays what it was. */
void ordo_sched_take_short_slices(void);
/* The calling thread takes a smaller share than the others while they want the core, too, and anybody who wakes may
 * interrupt it. Takes SIGURG for the process. */
void ordo_sched_step_aside(void);
/* Around something long, not nested, in a thread that stepped aside: every 0.3 ms it is interrupted, whatever it is in the
 * middle of, and sleeps for some 60 µs. System calls go on after that; those which never do (signal(7)) return EINTR. Nothing
 * in other threads. */
void ordo_sched_long_begin(void);
void ordo_sched_long_end(void);

#endif
