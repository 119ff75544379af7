
/*
 * Logging: the events of all sockets as lines of text. Silent, and free, unless it is asked for. Nothing here is of nanomsg's.
 */

#ifndef NN_EXPORT
#define NN_EXPORT extern
#endif
