/* writer_thread.h: the thread that owns a writer's file, as the caller's half sees it. */
#ifndef MC_WRITER_THREAD_H
#define MC_WRITER_THREAD_H

#include "store/writer_priv.h"

int mc_writer_thread_start(struct mc_writer *w);
/* Join, after MC_COMMAND_STOP, and free what is queued. */
void mc_writer_thread_stop(struct mc_writer *w);
/* Have the thread do something behind all that is queued, and wait for it. */
int mc_writer_command(struct mc_writer *w, enum mc_command command, const struct mc_run_info *info,
                      const char *exit);
/* Under the mutex: append; taken. */
void mc_writer_enqueue(struct mc_writer *w, struct mc_queued_frame *q);
void mc_writer_enqueue_mark(struct mc_writer *w, struct mc_queued_mark *m);

#endif
