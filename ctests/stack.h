/* Measures how much stack a function takes: it runs on a thread whose stack is painted, and what is no longer painted afterwards was
 * used. Include after ctest.h.
 *
 * Prints a row for each. With an argument, a row above so many bytes is a failure. What glibc puts on a thread's stack (its own data,
 * thread-local memory) is in the first row, and contained in all others; as is, in some, what finding a function takes when it is
 * called for the first time (3 KiB). */
#ifndef STACK_H
#define STACK_H

#include "ctest.h"
#include <sys/mman.h>

#define STACK ((size_t)256 * 1024)
#define PAINT 0xa5

static size_t limit = SIZE_MAX;

/* Runs it on a stack of its own, and tells how much of that was used. */
static void measure(const char *name, void *(*function)(void *), void (*meanwhile)(void)) {
    CONTEXT("%s", name);
    uint8_t *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    memset(stack, PAINT, STACK);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK_OK(pthread_attr_setstack(&attributes, stack, STACK));
    pthread_t thread;
    CHECK_OK(pthread_create(&thread, &attributes, function, NULL));
    if (meanwhile != NULL)
        meanwhile();
    CHECK_OK(pthread_join(thread, NULL));
    size_t untouched = 0;
    while (untouched < STACK && stack[untouched] == PAINT)
        untouched++;
    size_t used = STACK - untouched;
    printf("%-40s %6zu\n", name, used);
    check_at(__FILE__, __LINE__, used <= limit, "%zu bytes of stack, of %zu", used, limit);
    pthread_attr_destroy(&attributes);
    munmap(stack, STACK);
}

#define ACTION(name) static void *name(void *unused_)
#define DONE \
    (void)unused_; \
    return NULL

ACTION(nothing) { DONE; }

static inline void begin_measuring(int argc, char **argv) {
    if (argc > 1)
        limit = strtoul(argv[1], NULL, 10);
    measure("nothing", nothing, NULL);
}

#endif
