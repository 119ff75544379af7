# Debian's libnanomsg-raw-perl at work, unmodified.   perl raw.pl DIRECTORY PORT
use strict;
use warnings;
use NanoMsg::Raw;

my ($directory, $port) = @ARGV;

sub opened {
    my $socket = nn_socket(AF_SP, shift);
    defined $socket or die 'nn_socket: ' . nn_strerror(nn_errno);
    nn_setsockopt($socket, NN_SOL_SOCKET, NN_RCVTIMEO, 20000) or die 'NN_RCVTIMEO';
    nn_setsockopt($socket, NN_SOL_SOCKET, NN_SNDTIMEO, 20000) or die 'NN_SNDTIMEO';
    return $socket;
}

sub sent {
    my ($from, $to, $body) = @_;
    my $length = nn_send($from, $body, 0);
    defined $length && $length == length $body or die 'nn_send: ' . nn_strerror(nn_errno);
    my $got = nn_recv($to, my $message, NN_MSG, 0);
    defined $got && $message eq $body or die 'nn_recv: ' . nn_strerror(nn_errno);
}

for my $address ("inproc://perl", "ipc://$directory/perl", "tcp://127.0.0.1:$port") {
    for ([NN_PAIR, NN_PAIR, 1], [NN_PULL, NN_PUSH, 0], [NN_REP, NN_REQ, 1], [NN_RESPONDENT, NN_SURVEYOR, 1]) {
        my ($one, $other, $answers) = @$_;
        my ($bound, $connected) = (opened($one), opened($other));
        defined nn_bind($bound, $address) or die 'nn_bind: ' . nn_strerror(nn_errno);
        my $endpoint = nn_connect($connected, $address);
        defined $endpoint or die 'nn_connect: ' . nn_strerror(nn_errno);
        # A survey finds nobody before it is connected; the others wait.
        if ($one == NN_RESPONDENT) {
            nn_setsockopt($connected, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 20);
            my $asked;
            do {
                nn_send($connected, 'there?', 0);
                nn_setsockopt($bound, NN_SOL_SOCKET, NN_RCVTIMEO, 20);
                $asked = nn_recv($bound, my $question, NN_MSG, 0);
            } until defined $asked;
            nn_setsockopt($bound, NN_SOL_SOCKET, NN_RCVTIMEO, 20000);
            nn_setsockopt($connected, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 20000);
        }
        for my $body ('x', join('', map chr, 0 .. 255), 'y' x 65536) {
            sent($connected, $bound, $body);
            sent($bound, $connected, scalar reverse $body) if $answers;
        }
        nn_shutdown($connected, $endpoint) or die 'nn_shutdown';
        nn_close($_) or die 'nn_close' for $bound, $connected;
    }
}

my $message = NanoMsg::Raw::nn_allocmsg(5, 0);
my $alone = opened(NN_PULL);
defined nn_recv($alone, my $nothing, NN_MSG, NN_DONTWAIT) and die 'nothing was sent';
nn_errno == EAGAIN or die 'not EAGAIN: ' . nn_strerror(nn_errno);
nn_close($alone);
print "ok\n";
