
/* For tables of struct nnqi_member. A property's first value is JSON: NNQI_PROPERTY("battery", "i", "100") */
#define NNQI_FUNCTION(name, parameters, result, function) {1, name, parameters, result, function}
#define NNQI_SIGNAL(name, arguments) {2, name, arguments, NULL, NULL}
#define NNQI_PROPERTY(name, signature, json) {3, name, signature, json, NULL}
#define NNQI_MEMBERS_END {0, NULL, NULL, NULL, NULL}

#if defined(__GNUC__) || defined(__clang__)
#define NNQI_UNUSED __attribute__((unused))
#else
#define NNQI_UNUSED
#endif
/* Begins the code of an NNQI_FUNCTION, with the parameters request and user, which it need not use:
 * NNQI_CODE(walk) { return nnqi_double(nnqi_arg_double(request, 0)); } */
#define NNQI_CODE(name) static nnqi_value name(NNQI_UNUSED nnqi_request request, NNQI_UNUSED void *user)
