#!/usr/bin/perl
# What programs with NanoMsg::Raw do: options, a request with its answer, memory of the library, errors.
use strict;
use warnings;
use NanoMsg::Raw;
my $rep = nn_socket(AF_SP, NN_REP) // die "rep: $!";
my $req = nn_socket(AF_SP, NN_REQ) // die "req: $!";
nn_setsockopt($req, NN_SOL_SOCKET, NN_RCVTIMEO, 5000) or die "option: $!";
die "option" unless unpack('i', nn_getsockopt($req, NN_SOL_SOCKET, NN_RCVTIMEO)) == 5000;
nn_bind($rep, "tcp://127.0.0.1:15555") // die "bind: $!";
my $id = nn_connect($req, "tcp://127.0.0.1:15555") // die "connect: $!";
nn_send($req, "ping", 0) == 4 or die "send: $!";
nn_recv($rep, my $question, 100, 0) == 4 or die "recv: $!";
my $answer = nn_allocmsg(4, 0) // die "allocmsg: $!";
$answer->copy("pong");
nn_send($rep, $answer, 0) == 4 or die "send: $!";
nn_recv($req, my $got, NN_MSG, 0) == 4 or die "recv: $!";
die "got $got" unless "$got" eq "pong" && $question eq "ping";
nn_shutdown($req, $id) or die "shutdown: $!";
nn_close($_) or die "close: $!" for $rep, $req;
die "errno" if defined nn_socket(AF_SP, 9999);
print "perl: ", nn_strerror(nn_errno()), "\n";
