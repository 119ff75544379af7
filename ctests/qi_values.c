/* Values of the object bus in C: built, read, as JSON and as bytes; and what comes of misuse. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include <math.h>
#include <millrace/qi.h>

#define NONE(call, code) \
    ({ \
        errno = 0; \
        nnqi_value none_ = (call); \
        CHECK_EQ(none_, 0); \
        CHECK_EQ(errno, code); \
        CHECK(nnqi_error()[0] != 0); \
    })
#define ITEMS(...) (nnqi_value[]){__VA_ARGS__}, sizeof((nnqi_value[]){__VA_ARGS__}) / sizeof(nnqi_value)

static void is_json(nnqi_value value, const char *expected) {
    char text[256];
    CHECK_EQ(nnqi_to_json(value, text, sizeof(text)), (int64_t)strlen(expected));
    check_at(__FILE__, __LINE__, strcmp(text, expected) == 0, "expected %s, got %s", expected, text);
}

static void is_signature(nnqi_value value, const char *expected) {
    char text[256];
    CHECK_EQ(nnqi_signature(value, text, sizeof(text)), (int64_t)strlen(expected));
    check_at(__FILE__, __LINE__, strcmp(text, expected) == 0, "expected %s, got %s", expected, text);
    CHECK_EQ(nnqi_kind(value), expected[0]);
}

static void numbers(void) {
    static const struct {
        char letter;
        int64_t least, most;
    } types[] = {{'c', -128, 127}, {'C', 0, 255}, {'w', -32768, 32767}, {'W', 0, 65535}, {'i', INT32_MIN, INT32_MAX},
                 {'I', 0, UINT32_MAX}, {'l', INT64_MIN, INT64_MAX}, {'L', 0, INT64_MAX}};
    for (size_t i = 0; i < COUNT(types); i++) {
        CONTEXT("%c", types[i].letter);
        int64_t least = 1, most = 1;
        nnqi_value a = nnqi_int(types[i].letter, types[i].least), b = nnqi_int(types[i].letter, types[i].most);
        CHECK_OK(nnqi_get_int(a, &least));
        CHECK_OK(nnqi_get_int(b, &most));
        CHECK(least == types[i].least && most == types[i].most);
        CHECK_EQ(nnqi_kind(a), types[i].letter);
        CHECK_EQ(nnqi_equal(a, b), 0);
        if (types[i].least > INT64_MIN)
            NONE(nnqi_int(types[i].letter, types[i].least - 1), ERANGE);
        if (types[i].most < INT64_MAX)
            NONE(nnqi_int(types[i].letter, types[i].most + 1), ERANGE);
        CHECK_OK(nnqi_free(a));
        CHECK_OK(nnqi_free(b));
    }
    context[0] = 0;
    NONE(nnqi_int('x', 1), EINVAL);
    NONE(nnqi_int(0, 1), EINVAL);
    nnqi_value huge = nnqi_uint('L', UINT64_MAX), minus = nnqi_int('i', -1), half = nnqi_double(0.5), yes = nnqi_bool(7);
    uint64_t number = 0;
    int64_t small;
    double real = 0;
    int flag = 0;
    CHECK_OK(nnqi_get_uint(huge, &number));
    CHECK(number == UINT64_MAX);
    CHECK_ERR(nnqi_get_int(huge, &small), ERANGE);
    CHECK_ERR(nnqi_get_uint(minus, &number), ERANGE);
    CHECK_OK(nnqi_get_double(minus, &real));
    CHECK(real == -1);
    CHECK_OK(nnqi_get_double(half, &real));
    CHECK(real == 0.5);
    CHECK_ERR(nnqi_get_int(half, &small), EINVAL);
    CHECK(strstr(nnqi_error(), "integer") != NULL);
    CHECK_OK(nnqi_get_bool(yes, &flag));
    CHECK_EQ(flag, 1);
    CHECK_ERR(nnqi_get_bool(half, &flag), EINVAL);
    CHECK_ERR(nnqi_get_bool(yes, NULL), EFAULT);
    CHECK_ERR(nnqi_get_int(minus, NULL), EFAULT);
    CHECK_ERR(nnqi_get_double(half, NULL), EFAULT);
    nnqi_value single = nnqi_float(1.5f);
    is_signature(single, "f");
    nnqi_value all[] = {huge, minus, half, yes, single};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(nnqi_free(all[i]));
}

static void strings(void) {
    nnqi_value text = nnqi_text("h\xc3\xa9llo"), bytes = nnqi_string("a\0b", 3), raw = nnqi_raw("\xff\x00", 2);
    size_t len = 0;
    const char *inside = nnqi_get_string(text, &len);
    CHECK_EQ(len, 6);
    CHECK(inside != NULL && memcmp(inside, "h\xc3\xa9llo", 6) == 0);
    CHECK(nnqi_get_string(bytes, NULL) != NULL);
    char buffer[4] = "zzz";
    CHECK_EQ(nnqi_copy_string(text, buffer, sizeof(buffer)), 6);
    CHECK_BYTES(buffer, "h\xc3\xa9\0", 4);
    CHECK_EQ(nnqi_copy_string(bytes, buffer, sizeof(buffer)), 3);
    CHECK_BYTES(buffer, "a\0b\0", 4);
    CHECK_EQ(nnqi_copy_string(text, NULL, 0), 6);
    CHECK_ERR(nnqi_copy_string(text, NULL, 1), EFAULT);
    CHECK_ERR(nnqi_copy_string(raw, buffer, 4), EINVAL);
    const void *data = nnqi_get_raw(raw, &len);
    CHECK(data != NULL && len == 2 && memcmp(data, "\xff\x00", 2) == 0);
    CHECK_NULL(nnqi_get_raw(text, &len), EINVAL);
    CHECK_NULL(nnqi_get_string(raw, &len), EINVAL);
    NONE(nnqi_text(NULL), EFAULT);
    NONE(nnqi_string(NULL, 1), EFAULT);
    NONE(nnqi_raw("x", SIZE_MAX), EINVAL);
    nnqi_value empty = nnqi_string(NULL, 0);
    CHECK(nnqi_get_string(empty, &len) != NULL && len == 0);
    nnqi_value all[] = {text, bytes, raw, empty};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(nnqi_free(all[i]));
}

static void containers(void) {
    nnqi_value list = nnqi_list("l", ITEMS(nnqi_int('i', 1), nnqi_int('C', 2)));
    is_signature(list, "[l]");
    is_json(list, "[1,2]");
    CHECK_OK(nnqi_free(list));
    nnqi_value keys[] = {nnqi_text("a"), nnqi_text("b")}, values[] = {nnqi_int('i', 1), nnqi_text("x")};
    nnqi_value map = nnqi_map("s", "m", keys, values, 2);
    is_signature(map, "{sm}");
    is_json(map, "{\"a\":1,\"b\":\"x\"}");
    CHECK_EQ(nnqi_count(map), 2);
    nnqi_value key = nnqi_map_key(map, 1), found = nnqi_find(map, "b"), same = nnqi_map_value(map, 1);
    is_json(key, "\"b\"");
    CHECK_EQ(nnqi_kind(found), 'm');
    CHECK_EQ(nnqi_equal(found, same), 1);
    NONE(nnqi_find(map, "c"), ENOENT);
    NONE(nnqi_map_key(map, 2), EINVAL);
    NONE(nnqi_map_key(map, SIZE_MAX), EINVAL);
    NONE(nnqi_item(map, 0), EINVAL);
    CHECK_OK(nnqi_free(map));
    /* Parts outlive what they are part of. */
    nnqi_value inside = nnqi_unwrap(found);
    is_json(inside, "\"x\"");
    NONE(nnqi_unwrap(inside), EINVAL);

    nnqi_value point = nnqi_struct("(id)<Point,x,y>", ITEMS(nnqi_int('l', 3), nnqi_float(0.5f)));
    is_signature(point, "(id)<Point,x,y>");
    nnqi_value y = nnqi_find(point, "y");
    is_json(y, "0.5");
    NONE(nnqi_struct("(ii)", ITEMS(nnqi_int('i', 1))), EINVAL);
    NONE(nnqi_struct("[i]", ITEMS(nnqi_int('i', 1))), EINVAL);
    NONE(nnqi_struct("(i", ITEMS(nnqi_int('i', 1))), EINVAL);
    NONE(nnqi_list("C", ITEMS(nnqi_int('i', 256))), EINVAL);
    CHECK(strstr(nnqi_error(), "item 0") != NULL);

    nnqi_value tuple = nnqi_tuple(ITEMS(point, nnqi_optional("s", 0), nnqi_optional("s", nnqi_text("y")), nnqi_void()));
    is_json(tuple, "[{\"x\":3,\"y\":0.5},null,\"y\",null]");
    CHECK_ERR(nnqi_kind(point), EBADF); /* taken */
    nnqi_value third = nnqi_item(tuple, 2), optional = nnqi_item(third, 0);
    CHECK_EQ(nnqi_count(third), 1);
    is_json(optional, "\"y\"");
    nnqi_value second = nnqi_item(tuple, 1);
    CHECK_EQ(nnqi_count(second), 0);
    NONE(nnqi_item(second, 0), EINVAL);
    NONE(nnqi_item(tuple, 4), EINVAL);
    nnqi_value nothing = nnqi_tuple(NULL, 0);
    is_signature(nothing, "()");
    CHECK_ERR(nnqi_count(y), EINVAL);
    nnqi_value all[] = {key, found, same, inside, y, tuple, third, optional, second, nothing};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(nnqi_free(all[i]));
}

static void codec(void) {
    nnqi_value value = nnqi_from_json("{\"x\": 1, \"y\": [true, 2.5, \"z\"]}", "(i[m])<A,x,y>");
    is_json(value, "{\"x\":1,\"y\":[true,2.5,\"z\"]}");
    char buffer[64];
    int64_t len = nnqi_encode(value, NULL, buffer, sizeof(buffer));
    CHECK_EQ(len, 4 + 4 + 6 + 13 + 10);
    nnqi_value again = nnqi_decode("(i[m])<A,x,y>", buffer, (size_t)len);
    CHECK_EQ(nnqi_equal(value, again), 1);
    nnqi_value list = nnqi_find(again, "y"), item = nnqi_item(list, 1), number = nnqi_unwrap(item);
    double real = 0;
    CHECK_OK(nnqi_get_double(number, &real));
    CHECK(real == 2.5);
    for (size_t cut = 0; cut < (size_t)len; cut++)
        NONE(nnqi_decode("(i[m])", buffer, cut), EINVAL);
    NONE(nnqi_decode("i", buffer, 5), EINVAL);
    NONE(nnqi_decode(NULL, buffer, 4), EFAULT);
    NONE(nnqi_decode("i", NULL, 4), EFAULT);
    NONE(nnqi_decode("b", "\x02", 1), EINVAL);
    CHECK_EQ(nnqi_encode(value, NULL, NULL, 0), len);
    CHECK_ERR(nnqi_encode(value, NULL, NULL, 100), EFAULT);
    CHECK_ERR(nnqi_encode(value, "s", buffer, sizeof(buffer)), EINVAL);
    NONE(nnqi_from_json("[1", "[i]"), EINVAL);
    NONE(nnqi_from_json("[1]", "[s]"), EINVAL);
    NONE(nnqi_from_json("[300]", "[C]"), EINVAL);
    NONE(nnqi_from_json(NULL, "[i]"), EFAULT);
    nnqi_value free_form = nnqi_from_json("[1, null]", NULL);
    CHECK_EQ(nnqi_kind(free_form), 'm');
    nnqi_value converted = nnqi_convert(number, "f");
    is_signature(converted, "f");
    NONE(nnqi_convert(number, "[i]"), EINVAL);
    nnqi_value all[] = {value, again, list, item, number, free_form, converted};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(nnqi_free(all[i]));
}

static void misuse(void) {
    nnqi_value value = nnqi_text("once");
    CHECK_OK(nnqi_free(value));
    CHECK_ERR(nnqi_free(value), EBADF);
    CHECK(strstr(nnqi_error(), "freed") != NULL);
    CHECK_ERR(nnqi_free(0), EBADF);
    nnqi_value bad[] = {0, value, 1, UINT64_MAX, value + 1000, value ^ (UINT64_C(3) << 56), UINT64_C(0xff) << 56};
    struct nnqi_reference reference;
    int64_t number;
    char buffer[8];
    for (size_t i = 0; i < COUNT(bad); i++) {
        CONTEXT("handle %zu", i);
        CHECK_ERR(nnqi_kind(bad[i]), EBADF);
        CHECK_ERR(nnqi_count(bad[i]), EBADF);
        CHECK_ERR(nnqi_get_int(bad[i], &number), EBADF);
        CHECK_ERR(nnqi_to_json(bad[i], buffer, sizeof(buffer)), EBADF);
        CHECK_ERR(nnqi_encode(bad[i], NULL, buffer, sizeof(buffer)), EBADF);
        CHECK_ERR(nnqi_get_object(bad[i], &reference), EBADF);
        CHECK_NULL(nnqi_get_string(bad[i], NULL), EBADF);
        NONE(nnqi_item(bad[i], 0), EBADF);
        NONE(nnqi_unwrap(bad[i]), EBADF);
        NONE(nnqi_dynamic(bad[i]), EBADF);
        NONE(nnqi_copy(bad[i]), EBADF);
        /* The good one is taken all the same. */
        NONE(nnqi_tuple(ITEMS(nnqi_int('i', 1), bad[i])), EBADF);
    }
    context[0] = 0;
    NONE(nnqi_tuple(NULL, 1), EFAULT);
    NONE(nnqi_tuple(bad, SIZE_MAX / 2), EINVAL);
    NONE(nnqi_list(NULL, ITEMS(nnqi_int('i', 1))), EFAULT);
    nnqi_value twice = nnqi_text("twice");
    NONE(nnqi_tuple(ITEMS(twice, twice)), EBADF);
    /* A failure within a nest of calls is told by the outermost. */
    NONE(nnqi_tuple(ITEMS(nnqi_int('i', INT64_MAX))), EBADF);
    CHECK(strstr(nnqi_error(), "is no i") != NULL);

    nnqi_value deep = nnqi_void();
    int levels = 0;
    for (nnqi_value next; (next = nnqi_list("m", &deep, 1)) != 0; levels++)
        deep = next;
    CHECK(levels > 60 && levels < 300);
    CHECK(strstr(nnqi_error(), "too many") != NULL);
    CHECK_ERR(nnqi_free(deep), EBADF);
}

static void *chew(void *shared) {
    nnqi_value list = *(nnqi_value *)shared;
    for (int i = 0; i < heavy(2000); i++) {
        nnqi_value item = nnqi_item(list, (size_t)i % 3);
        CHECK_EQ(nnqi_kind(item), 's');
        CHECK_OK(nnqi_free(item));
        CHECK_ERR(nnqi_free(item), EBADF);
    }
    return NULL;
}

static void many_threads(void) {
    nnqi_value list = nnqi_list("s", ITEMS(nnqi_text("a"), nnqi_text("b"), nnqi_text("c")));
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, chew, &list);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(nnqi_free(list));
}

int main(void) {
    start();
    CHECK_EQ(nnqi_handles(), 0);
    numbers();
    strings();
    containers();
    codec();
    misuse();
    many_threads();
    CHECK_EQ(nnqi_handles(), 0);
    return finish();
}
#else
int main(void) { return 0; }
#endif
