/* What the two functions below need of a signature: the kind of its next value (see nnqi_slot), or 0 at its end. */
static __inline__ int nnqi_slot_kind(const char **signature)
{
    const char *at = *signature;
    int depth = 0, kind = 0;
    for (; *at && !kind; at++) {
        switch (*at) {
        case '(': case ')':
            break;
        case '<':
            for (depth = 0; *at; at++) {
                depth += (*at == '<') - (*at == '>');
                if (depth == 0) break;
            }
            if (!*at) at--;
            break;
        case 'b': case 'c': case 'w': case 'i':
            kind = 'i';
            break;
        case 'C': case 'W': case 'I':
            kind = 'u';
            break;
        case 'l': case 'L':
            kind = 'l';
            break;
        case 'f': case 'd':
            kind = 'd';
            break;
        case 's': case 'r':
            kind = *at;
            break;
        case 'v':
            break;
        case '[': case '{': case '+': case '#': case '~':
            /* A handle: the rest of this type says nothing of its own. */
            while (*at == '+' || *at == '#' || *at == '~') at++;
            for (depth = 0; *at; at++) {
                depth += (*at == '[' || *at == '{' || *at == '(') - (*at == ']' || *at == '}' || *at == ')');
                if (depth == 0) break;
            }
            if (!*at) at--;
            kind = 'm';
            break;
        default:
            kind = 'm';
        }
    }
    *signature = at;
    return kind;
}

/* What nnqi_pack and its like do; an array cannot be passed by value, so given is where the list is. */
static __inline__ nnqi_value nnqi_pack_list(const char *signature, va_list *given)
{
    struct nnqi_slot slots[62];
    const char *at = signature ? signature : "";
    size_t count = 0;
    int kind;
    while (count < 61 && (kind = nnqi_slot_kind(&at)) != 0) {
        struct nnqi_slot *slot = &slots[count++];
        slot->kind = kind;
        slot->integer = 0;
        slot->size = 0;
        slot->number = 0;
        slot->pointer = NULL;
        if (kind == 'i') slot->integer = va_arg(*given, int);
        else if (kind == 'u') slot->integer = va_arg(*given, unsigned int);
        else if (kind == 'l') slot->integer = va_arg(*given, int64_t);
        else if (kind == 'd') slot->number = va_arg(*given, double);
        else if (kind == 'm') slot->size = va_arg(*given, nnqi_value);
        else slot->pointer = va_arg(*given, void *);
        if (kind == 'r') slot->size = va_arg(*given, size_t);
    }
    return nnqi_pack_slots(signature, slots, count);
}

/*
 * A value of this signature, made of what follows: int for b, c, w, i; unsigned int for C, W, I; int64_t or uint64_t for l, L (so
 * (int64_t)1, and not 1); double for f, d; const char * for s; const void * and size_t for r; nnqi_value for m, o, lists, maps and
 * optionals (0: one without a value), which is converted, and taken, even on failure. Members of tuples and structs follow one
 * another. At most 60 of them. Returns 0 with EINVAL (signature, a number that does not fit, another type) or EFAULT. Free it.
 * Any thread. nnqi_pack("(isd)", 1, "a", 0.5)
 */
static __inline__ nnqi_value nnqi_pack(const char *signature, ...)
{
    nnqi_value value;
    va_list given;
    va_start(given, signature);
    value = nnqi_pack_list(signature, &given);
    va_end(given);
    return value;
}

/* The pointers that follow a signature. */
static __inline__ size_t nnqi_places(const char *signature, void **places, va_list *given)
{
    const char *at = signature ? signature : "";
    size_t count = 0;
    int kind;
    while (count < 60 && (kind = nnqi_slot_kind(&at)) != 0) {
        places[count++] = va_arg(*given, void *);
        if (kind == 'r') places[count++] = va_arg(*given, void *);
    }
    return count;
}

/*
 * Converts a value to this signature, dynamics looked into, and stores what it consists of where the pointers that follow lead: int
 * for b; int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t, uint64_t for c, C, w, W, i, I, l, L; float for f, double
 * for d; const char * for s, which ends with a zero and is valid until this handle of the value is freed or taken; const void * and,
 * with a pointer of its own, size_t for r, valid as long; nnqi_value for m, o, lists, maps and optionals, to be freed. NULL: that one
 * is not wanted. The value stays as it is. Returns 0, or -1 with EBADF, EFAULT or EINVAL (signature, no such conversion), and then
 * nothing is stored. Any thread. nnqi_unpack(value, "(is)", &number, &text)
 */
static __inline__ int nnqi_unpack(nnqi_value value, const char *signature, ...)
{
    void *places[62];
    size_t count;
    va_list given;
    va_start(given, signature);
    count = nnqi_places(signature, places, &given);
    va_end(given);
    return nnqi_unpack_places(value, signature, places, count);
}

/*
 * Goes through the items of a list, the members of a tuple or the entries of a map, which are tuples of key and value: stores what item
 * *at, from 0 on, consists of, as nnqi_unpack does, and adds 1 to *at. What is stored is valid as long as this handle of the whole
 * value. Returns 1, 0 if there is no such item any more, or -1 as nnqi_unpack, and then nothing is stored and *at stays. Any thread.
 * while (nnqi_unpack_next(sensors, &at, "(sd)", &name, &number) > 0) printf("%s %g\n", name, number);
 */
static __inline__ int nnqi_unpack_next(nnqi_value value, size_t *at, const char *signature, ...)
{
    void *places[62];
    size_t count;
    va_list given;
    va_start(given, signature);
    count = nnqi_places(signature, places, &given);
    va_end(given);
    return nnqi_unpack_next_places(value, at, signature, places, count);
}
