#!/bin/perl
# What stands in for images that cannot be had without an internet, so that stack files can be tried as they are: it is found where they
# would be, listens where they would, wants the files that they would want, and answers who asks. It is none of them: it stores nothing.
#   stand-in [WORD…]      a WORD that is a program of the image is run in its place, as the official images' entrypoints do; else it serves:
#                         on each port of STAND_IN_PORTS ("80 443/udp"), until SIGTERM. With no port it only waits for that.
#     TCP                 "PING" is answered as Redis does, a request of HTTP with 200 and JSON: image, hostname, port, client
#     UDP                 every datagram comes back
#   Every variable whose name ends in _FILE must name a file that can be read, or it ends with exit code 1 and says which.
# It goes by the names of programs that stack files call, with as much of them as these need:
#   reach HOST PORT       0 once a connection opens, within 10 s
#   curl [-fs…] [--unix-socket PATH] URL
#   mongosh --host HOST   as reach HOST 27017;   healthcheck.sh: as reach localhost 3306
#   restic backup FOLDER  0 when the folder is there;   restic check: 0
#   cron.sh               waits for SIGTERM
use strict;
use warnings;
use Socket;
use Socket qw(getaddrinfo);
use Fcntl;

my ($name) = $0 =~ m{([^/]+)$};
$| = 1;
$SIG{PIPE} = 'IGNORE';

sub fail { print STDERR "$name: $_[0]\n"; exit 1 }

sub connected {
    my ($host, $port) = @_;
    my ($error, @found) = getaddrinfo($host, $port, { family => AF_INET, socktype => SOCK_STREAM });
    return if $error;
    for my $to (@found) {
        socket(my $socket, AF_INET, SOCK_STREAM, 0) or next;
        setsockopt($socket, SOL_SOCKET, SO_SNDTIMEO, pack('l!l!', 2, 0));
        return $socket if connect($socket, $to->{addr});
    }
    return;
}

sub reach {
    my ($host, $port) = @_;
    for (1 .. 100) {
        connected($host, $port) and do { print "reached $host:$port\n"; exit 0 };
        select(undef, undef, undef, 0.1);
    }
    fail("cannot reach $host:$port");
}

sub curl {
    my ($unix, $url);
    while (defined(my $word = shift)) {
        if    ($word eq '--unix-socket') { $unix = shift }
        elsif ($word !~ /^-/)            { $url  = $word }
    }
    my ($host, $port, $path) = ($url || '') =~ m{^http://([^/:]+)(?::(\d+))?(/.*)?$} or fail('no URL of http://');
    my $socket;
    if (defined $unix) {
        socket($socket, AF_UNIX, SOCK_STREAM, 0);
        connect($socket, pack_sockaddr_un($unix)) or fail("cannot reach $unix: $!");
    } else {
        $socket = connected($host, $port || 80) or fail("cannot reach $url");
    }
    syswrite($socket, 'GET ' . ($path || '/') . " HTTP/1.0\r\nHost: $host\r\n\r\n");
    my $all = join '', <$socket>;
    my ($status) = $all =~ m{^HTTP/1\.\d (\d+)} or fail('no answer');
    print $all =~ s/^.*?\r\n\r\n//sr;
    exit($status < 400 ? 0 : 22);
}

sub restic {
    my ($verb, $folder) = @_;
    return if $verb eq 'check';
    -d ($folder || '') or fail("there is no folder $folder");
    print "saw $folder\n";
}

sub wait_for_end { $SIG{TERM} = $SIG{INT} = sub { exit 0 }; sleep 1000 while 1 }

my %programs = (
    reach            => \&reach,
    curl             => \&curl,
    restic           => \&restic,
    mongosh          => sub { my %flags = @_[0, 1]; reach($flags{'--host'}, 27017) },
    'healthcheck.sh' => sub { reach('localhost', 3306) },
    'cron.sh'        => \&wait_for_end,
);
$programs{$name} and do { $programs{$name}->(@ARGV); exit 0 };

my $program = shift(@ARGV) // '';
my ($found) = grep { $program =~ m{^[\w./-]+$} && -x && !-d } $program =~ m{^/} ? $program : map { "$_/$program" } split /:/, $ENV{PATH};
exec($found, @ARGV) if $found;

for my $variable (grep { /_FILE$/ } sort keys %ENV) {
    open my $file, '<', $ENV{$variable} or fail("$variable says $ENV{$variable}: $!");
    defined(<$file>) or fail("$variable says $ENV{$variable}: it is empty");
}

my $hostname = do { open my $file, '<', '/proc/sys/kernel/hostname' or die; <$file> };
chomp $hostname;
my %ports;    # file number => { socket, port, udp }
for my $said (split ' ', $ENV{STAND_IN_PORTS} || '') {
    my ($port, $udp) = $said =~ m{^(\d+)(/udp)?$} or fail("not a port: $said");
    socket(my $socket, AF_INET, $udp ? SOCK_DGRAM : SOCK_STREAM, 0) or fail("socket: $!");
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, pack('l', 1));
    bind($socket, sockaddr_in($port, INADDR_ANY)) or fail("cannot listen on $said: $!");
    listen($socket, 128) unless $udp;
    fcntl($socket, F_SETFL, O_NONBLOCK);
    $ports{ fileno $socket } = { socket => $socket, port => $port, udp => $udp };
}
print "$ENV{STANDS_IN_FOR} stands here as $hostname\n";
wait_for_end() unless %ports;

# One request a connection, each in a process of its own: a client that says nothing holds nobody up.
sub answer {
    my ($socket, $port, $peer) = @_;
    alarm 10;
    my $line = <$socket> // exit 0;
    exit !syswrite($socket, "+PONG\r\n") if $line =~ /^(\*1\r|PING)/;
    while (defined(my $header = <$socket>)) { last if $header =~ /^\r?\n$/ }
    my $client = inet_ntoa((sockaddr_in($peer))[1]);
    my $said   = qq({"image":"$ENV{STANDS_IN_FOR}","hostname":"$hostname","port":$port,"client":"$client"}\n);
    syswrite($socket, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " . length($said) . "\r\nConnection: close\r\n\r\n$said");
    exit 0;
}

$SIG{CHLD} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 0 };
while (1) {
    my $read = '';
    vec($read, $_, 1) = 1 for keys %ports;
    next if select($read, undef, undef, 60) < 1;
    for my $number (grep { vec($read, $_, 1) } keys %ports) {
        my ($socket, $port, $udp) = @{ $ports{$number} }{qw(socket port udp)};
        if ($udp) {
            my $from = recv($socket, my $text, 65536, 0);
            send($socket, $text, 0, $from) if $from;
        } elsif (my $peer = accept(my $conn, $socket)) {
            my $child = fork // next;
            if (!$child) { $SIG{TERM} = 'DEFAULT'; answer($conn, $port, $peer) }
        }
    }
}
