
/*
 * The object bus QiMessaging: values, servers, and clients. All of a function's description is contract: what it
 * returns, which errno it sets, what becomes of what it is given. A call that fails returns -1, NULL where it returns
 * a pointer, or 0 where it returns a handle, and sets errno; nnqi_error() then tells why in words. Texts that are
 * passed in end with a zero and are copied. Times are in milliseconds. If the library finds itself in a state that
 * should not exist, the call fails with ENOTRECOVERABLE. Without memory for a text, raw data, bytes or a payload that is passed, it
 * fails with ENOMEM; a peer loses its connection if there is no memory for what it sends. A forked child has no handles: those of the
 * parent are EBADF there, and need not be freed; it may make its own.
 *
 * Any function may be called by any thread, several at once on one handle too, unless it says otherwise. What waits for a peer or
 * for a queue fails with EDEADLK in code that is called where a connection is read: completions, closers, authenticators, notices
 * and choosers. Numbers in parentheses behind a description are sections of docs/spec/qi-messaging.md.
 */

#ifndef NN_EXPORT
#define NN_EXPORT extern
#endif
