//! One list of checks, applied to every transport alike. A new transport is one more row.

mod kit;
mod support;

/// Makes a test of each check on each transport: `tcp::messages_keep_their_order`.
macro_rules! conformance {
    ($($check:ident)*) => {
        conformance!(on inproc INPROC: $($check)*);
        conformance!(on ipc IPC: $($check)*);
        conformance!(on unix UNIX: $($check)*);
        conformance!(on abstract_name ABSTRACT: $($check)*);
        conformance!(on tcp TCP: $($check)*);
        conformance!(on tcp4 TCP4: $($check)*);
        conformance!(on tcp6 TCP6: $($check)*);
        conformance!(on fd FD: $($check)*);
        conformance!(on ws WS: $($check)*);
        conformance!(on tls TLS: $($check)*);
        conformance!(on wss WSS: $($check)*);
    };
    (on $module:ident $transport:ident: $($check:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $check() {
                    crate::kit::run(crate::kit::$transport, crate::kit::checks::$check);
                }
            )*
        }
    };
}

conformance! {
    // Coming together.
    a_connect_finds_who_is_bound
    a_connect_waits_for_a_bind
    a_second_bind_is_refused_and_harms_nobody
    an_address_can_be_bound_again_at_once
    peers_that_do_not_fit_stay_apart
    many_connect_to_one
    a_socket_may_talk_to_itself

    // Messages.
    messages_keep_their_order
    every_size_arrives_whole
    requests_get_their_replies
    contexts_share_a_connection
    who_sent_it_is_told_and_answered_alone
    one_peer_is_waited_for
    both_ways_at_once
    a_limit_on_size_keeps_the_rest_alive

    // Waiting.
    a_full_pipe_pushes_back_and_recovers
    small_messages_find_no_more_room_behind_large_ones
    a_blocked_sender_goes_on_when_there_is_room
    a_receive_waits_for_its_message
    readiness_follows_what_happens
    descriptors_follow_what_happens

    // Ends.
    nothing_accepted_is_lost_at_close
    large_messages_survive_the_close_too
    a_close_waits_no_longer_than_it_may
    a_close_sends_blocked_callers_home
    a_lost_peer_is_replaced
    a_shutdown_ends_one_endpoint_only
    the_accounts_are_right
}
