
/*
 * The object bus QiMessaging, as a whole. Its parts can be included alone: qi_values.h (values, and what holds for all functions),
 * qi_client.h (sessions, calls, subscriptions, connections; includes the first) and qi_service.h (objects, servers, providers;
 * includes both).
 */
