# The program of the test image shoal/probe: a small HTTP/1.1 server in one process, with what tests ask for.
#   GET /           {"hostname": …, "client": the address of the other end}
#   GET /bytes/N    N bytes
#   GET /…          as /, so that any path can be logged
#   UDP, same port  answers every datagram with the JSON of /
# Every request is one line on standard output that begins with the client's address; QUIET=1 leaves that out.
# PORT (80) says where to listen. Ends at once on SIGTERM; with GRACE=seconds it first answers whoever is connected once
# more, closing each connection behind the answer, for so long at most. Perl, because it starts in 3 ms and needs 6 MB, and
# perl-base is on every Debian; fifty replicas of a Node program would need 2 GB.
use strict;
use warnings;
use Socket;
use Fcntl;

my $port     = $ENV{PORT} || 80;
my $quiet    = $ENV{QUIET};
my $ending;    # the time at which it ends, whoever is still there
my $hostname = do { open my $f, '<', '/proc/sys/kernel/hostname' or die "no hostname: $!"; <$f> };
chomp $hostname;
$| = 1;
$SIG{TERM} = $SIG{INT} = sub { $ending ||= time + ($ENV{GRACE} || 0) };
$SIG{PIPE} = 'IGNORE';

sub listening {
    my ($type) = @_;
    socket(my $socket, AF_INET, $type, 0) or die "socket: $!";
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, pack('l', 1));
    bind($socket, sockaddr_in($port, INADDR_ANY)) or die "cannot listen on port $port: $!\n";
    listen($socket, 1024) or die "listen: $!" if $type == SOCK_STREAM;
    fcntl($socket, F_SETFL, O_NONBLOCK);
    return $socket;
}

my $tcp   = listening(SOCK_STREAM);
my $udp   = listening(SOCK_DGRAM);
my %conns;    # file number => { socket, client, in, out, more: bytes of a body still to make, close }
my $block = 'x' x 65536;

sub said { my ($client) = @_; return qq({"hostname":"$hostname","client":"$client"}\n) }

sub answer {
    my ($conn, $head) = @_;
    my ($line) = $head =~ /^([^\r\n]*)/;
    print "$conn->{client} \"$line\"\n" unless $quiet;
    my ($method, $path, $version) = $line =~ m{^([A-Z]+) (\S+) HTTP/1\.([01])$} or do {
        $conn->{out} .= "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return $conn->{close} = 1;
    };
    $conn->{close} = 1 if $head =~ /^connection:\s*close/im || ($version == 0 && $head !~ /^connection:\s*keep-alive/im);
    $conn->{close} = 1 if $ending;
    my $bytes = $path =~ m{^/bytes/(\d{1,12})$} ? $1 : undef;
    my $body  = defined $bytes ? '' : said($conn->{client});
    my $type  = defined $bytes ? 'application/octet-stream' : 'application/json';
    my $size  = defined $bytes ? $bytes : length $body;
    my $end   = $conn->{close} ? 'close' : 'keep-alive';
    $conn->{out} .= "HTTP/1.1 200 OK\r\nContent-Type: $type\r\nContent-Length: $size\r\nConnection: $end\r\n\r\n";
    return if $method eq 'HEAD';
    $conn->{out} .= $body;
    $conn->{more} = $bytes || 0;
}

sub drop { my ($conn) = @_; delete $conns{ fileno $conn->{socket} }; close $conn->{socket} }

# Takes whole requests out of what came in, one at a time: the next waits for the body before it.
sub requests {
    my ($conn) = @_;
    while (!$conn->{more} && !$conn->{close} && $conn->{in} =~ s/^(.*?)\r?\n\r?\n//s) {
        my $head = $1;
        my ($length) = $head =~ /^content-length:\s*(\d+)/im;
        if ($length && length $conn->{in} < $length) { $conn->{in} = "$head\r\n\r\n$conn->{in}"; return }
        substr($conn->{in}, 0, $length) = '' if $length;
        answer($conn, $head);
    }
}

sub incoming {
    my ($conn) = @_;
    my $got = sysread($conn->{socket}, $conn->{in}, 65536, length $conn->{in});
    return if !defined $got && $!{EAGAIN};
    return drop($conn) if !$got || length $conn->{in} > 1_000_000;
    requests($conn);
    outgoing($conn) if length $conn->{out};
}

sub outgoing {
    my ($conn) = @_;
    while (1) {
        if ($conn->{more} && length $conn->{out} < 65536) {
            my $part = $conn->{more} < 65536 ? $conn->{more} : 65536;
            $conn->{out} .= substr($block, 0, $part);
            $conn->{more} -= $part;
        }
        last unless length $conn->{out};
        my $sent = syswrite($conn->{socket}, $conn->{out});
        return if !defined $sent && $!{EAGAIN};
        return drop($conn) unless defined $sent;
        substr($conn->{out}, 0, $sent) = '';
        requests($conn) unless $conn->{more} || length $conn->{out};
    }
    drop($conn) if $conn->{close};
}

sub arrival {
    while (my $peer = accept(my $socket, $tcp)) {
        fcntl($socket, F_SETFL, O_NONBLOCK);
        my (undef, $address) = sockaddr_in($peer);
        $conns{ fileno $socket } =
          { socket => $socket, client => inet_ntoa($address), in => '', out => '', more => 0, close => 0 };
    }
}

sub datagram {
    my $from = recv($udp, my $text, 65536, 0) or return;
    my (undef, $address) = sockaddr_in($from);
    print inet_ntoa($address) . " UDP\n" unless $quiet;
    send($udp, said(inet_ntoa($address)), 0, $from);
}

# Who is connected, though not accepted yet, is connected.
sub done { arrival(); return !%conns || time >= $ending }

until ($ending && done()) {
    my ($read, $write) = ('', '');
    vec($read, fileno $_, 1) = 1 for $tcp, $udp;
    for my $conn (values %conns) {
        my $busy = length $conn->{out} || $conn->{more};
        vec($busy ? $write : $read, fileno $conn->{socket}, 1) = 1;
    }
    next if select($read, $write, undef, 1) < 1;
    arrival()  if vec($read, fileno $tcp, 1);
    datagram() if vec($read, fileno $udp, 1);
    for my $conn (values %conns) {
        my $number = fileno $conn->{socket};
        if    (vec($write, $number, 1)) { outgoing($conn) }
        elsif (vec($read,  $number, 1)) { incoming($conn) }
    }
}
