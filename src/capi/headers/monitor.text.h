
/*
 * Watching sockets: events, waiting for peers, and snapshots. None of it costs anything as long as it is not used. Nothing here is
 * of nanomsg's; functions return -1 and set errno if they fail, with ENOTSUP if they are given a context (millrace/context.h) where
 * a socket belongs. In a forked child the handles of the parent must not be used.
 */

#ifndef NN_EXPORT
#define NN_EXPORT extern
#endif
