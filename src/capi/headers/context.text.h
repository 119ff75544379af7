
/*
 * Contexts: many requests, answers or subscriptions at a time on one socket. Nothing here is of nanomsg's; functions return -1 and set
 * errno if they fail.
 */

#ifndef NN_EXPORT
#define NN_EXPORT extern
#endif
