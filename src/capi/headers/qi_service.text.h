
/* For tables of struct nnqi_member. A property's first value is JSON: NNQI_PROPERTY("battery", "i", "100") */
#define NNQI_FUNCTION(name, parameters, result, function) {1, name, parameters, result, function}
#define NNQI_SIGNAL(name, arguments) {2, name, arguments, NULL, NULL}
#define NNQI_PROPERTY(name, signature, json) {3, name, signature, json, NULL}
#define NNQI_MEMBERS_END {0, NULL, NULL, NULL, NULL}
